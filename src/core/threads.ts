/** Threads: how many this process may keep busy, and the end of one. */
import { readFileSync } from 'node:fs';
import os from 'node:os';

/** The processors of its affinity mask, no more than the quota of its cgroup; at least 1. */
export function usableThreads(): number {
  return Math.max(1, Math.min(os.availableParallelism(), Math.ceil(cgroupQuota())));
}

/** Ends the thread whose port it is, once nothing keeps it. */
export function endThread(port: { close?: () => void }): void {
  if (typeof port.close === 'function') port.close();
  else process.exit(0); // Deno's port lacks it; this ends the thread alone, there too
}

/** CPUs' worth of time that the container gets; Infinity without a limit. */
function cgroupQuota(): number {
  let quota = Infinity;
  for (const folder of cgroupFolders()) {
    const v2 = read(`${folder}/cpu.max`)?.split(' ');
    if (v2 !== undefined && v2[0] !== 'max') quota = Math.min(quota, Number(v2[0]) / Number(v2[1]));
  }
  const micros = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us') ?? -1);
  const period = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_period_us') ?? 0);
  if (micros > 0 && period > 0) quota = Math.min(quota, micros / period);
  return quota > 0 ? quota : Infinity;
}

/** This process's group and those above it: each may have a limit. */
function cgroupFolders(): string[] {
  const line = read('/proc/self/cgroup')
    ?.split('\n')
    .find((entry) => entry.startsWith('0::'));
  const folders = ['/sys/fs/cgroup'];
  let folder = '/sys/fs/cgroup';
  for (const part of line?.slice(3).split('/').filter(Boolean) ?? []) {
    folder += `/${part}`;
    folders.push(folder);
  }
  return folders;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
