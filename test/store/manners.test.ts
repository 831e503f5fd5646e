/** Threads that build leave a processor to searches of the calling thread. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Builder, newManners, nobodyBuilds, searchesHere } from '#dist/store/pool-manners.js';

const never = () => assert.fail('it waited');

describe('a thread that builds', () => {
  it('goes on while nobody searches, and while it is the only one', () => {
    const shared = newManners();
    const first = new Builder(shared, 1);
    first.begin();
    searchesHere(shared);
    first.giveWay(never);
    nobodyBuilds(shared);
    const others = [new Builder(shared, 1), new Builder(shared, 1)];
    for (const one of others) one.begin();
    for (const one of others) one.giveWay(never); // the search was before they came
    others[1]!.end();
    assert.equal(shared[0], 1);
  });

  it('answers messages until another has ended, where the calling thread searches', () => {
    const shared = newManners();
    const [first, second] = [new Builder(shared, 1), new Builder(shared, 1)];
    first.begin();
    second.begin();
    searchesHere(shared);
    let looks = 0;
    second.giveWay(() => {
      assert.equal(shared[0], looks === 3 ? 0 : 1, 'it counts as one that does not build');
      searchesHere(shared);
      if (++looks === 3) first.end();
      return true;
    });
    assert.ok(looks >= 3);
    assert.equal(shared[0], 1, 'it builds again');
    second.end();
    assert.equal(shared[0], 0);
  });

  it('goes on when searches have ended, when it is cancelled, and where there are more processors', () => {
    const shared = newManners();
    const [first, second, third] = [new Builder(shared, 1), new Builder(shared, 1), new Builder(shared, 3)];
    for (const one of [first, second, third]) one!.begin();
    searchesHere(shared);
    third!.giveWay(never);
    const began = performance.now();
    second!.giveWay(() => true);
    const took = performance.now() - began;
    assert.ok(took > 100 && took < 2000, `${took} ms`);
    searchesHere(shared);
    let looks = 0;
    second!.giveWay(() => ++looks < 2);
    assert.ok(looks >= 2);
    for (const one of [first, second, third]) one!.end();
    assert.equal(shared[0], 0);
  });
});
