// The only file that knows Node-API: unwrap the arguments, run a kernel, wrap the answer. TypeScript has validated
// everything (src/kernels/native.ts is the only caller), and no state is kept, so that any number of threads may load
// it.
#include <napi.h>

#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "bits.h"
#include "cpu.h"
#include "crc32c.h"
#include "funnel.h"
#include "lock.h"
#include "records.h"
#include "team.h"
#include "topk.h"

namespace {

using namespace funnelvec;

const KernelTable& tableOf(const Napi::CallbackInfo& info) { return *static_cast<const KernelTable*>(info.Data()); }

struct View {
  napi_typedarray_type type;
  void* data;
  size_t length;
};

// Typed arrays at any byte offset, over ArrayBuffers and SharedArrayBuffers alike.
View view(napi_env env, napi_value value) {
  View v{};
  if (napi_get_typedarray_info(env, value, &v.type, &v.length, &v.data, nullptr, nullptr) != napi_ok) {
    throw Napi::TypeError::New(env, "funnelvec: a kernel expected a typed array");
  }
  return v;
}

template <class T>
T* data(napi_env env, napi_value value) {
  return static_cast<T*>(view(env, value).data);
}

uint32_t number(napi_env env, napi_value value) {
  uint32_t n = 0;
  napi_get_value_uint32(env, value, &n);
  return n;
}

Matrix matrix(napi_env env, napi_value rows, napi_value dim) {
  const View v = view(env, rows);
  Matrix m;
  m.values = v.data;
  m.type = v.type == napi_float32_array ? kFloat32 : kFloat16;
  m.dim = number(env, dim);
  m.count = v.length / m.dim;
  return m;
}

// metric, query, rows, dim, scales, keep, indices, keys
constexpr size_t kFunnelArguments = 8;

FunnelTask funnelTask(napi_env env, const napi_value* a) {
  FunnelTask t;
  t.metric = static_cast<Metric>(number(env, a[0]));
  t.query = data<float>(env, a[1]);
  t.rows = matrix(env, a[2], a[3]);
  const View scales = view(env, a[4]);
  t.scales = static_cast<uint32_t*>(scales.data);
  t.stages = scales.length;
  t.keep = data<uint32_t>(env, a[5]);
  t.indices = data<uint32_t>(env, a[6]);
  t.keys = data<double>(env, a[7]);
  return t;
}

// metric, query, rows, dim, to, indices, keys
ScanTask scanTask(napi_env env, const napi_value* a) {
  ScanTask t;
  t.metric = static_cast<Metric>(number(env, a[0]));
  t.query = data<float>(env, a[1]);
  t.rows = matrix(env, a[2], a[3]);
  t.to = number(env, a[4]);
  const View indices = view(env, a[5]);
  t.indices = static_cast<uint32_t*>(indices.data);
  t.k = indices.length;
  t.keys = data<double>(env, a[6]);
  return t;
}

template <size_t N>
struct Arguments {
  napi_value a[N];
  explicit Arguments(const Napi::CallbackInfo& info) {
    for (size_t i = 0; i < N; ++i) a[i] = info[i];
  }
};

Napi::Value position(Napi::Env env, int64_t at) { return Napi::Number::New(env, static_cast<double>(at)); }

// metric, query, rows, dim, from, to, keys
Napi::Value Scores(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<7> args(info);
  ScoresTask t;
  t.metric = static_cast<Metric>(number(env, args.a[0]));
  t.query = data<float>(env, args.a[1]);
  t.rows = matrix(env, args.a[2], args.a[3]);
  t.from = number(env, args.a[4]);
  t.to = number(env, args.a[5]);
  t.keys = data<double>(env, args.a[6]);
  return position(env, scores(tableOf(info), t));
}

// rows, dim, from, to, norms
Napi::Value Norms(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<5> args(info);
  NormsTask t;
  t.rows = matrix(env, args.a[0], args.a[1]);
  t.from = number(env, args.a[2]);
  t.to = number(env, args.a[3]);
  t.norms = data<double>(env, args.a[4]);
  return position(env, norms(tableOf(info), t));
}

// scores, indices, keys
Napi::Value TopKOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const View scores = view(env, info[0]);
  const View indices = view(env, info[1]);
  const double* values = static_cast<double*>(scores.data);
  TopK best(indices.length < scores.length ? indices.length : scores.length);
  for (size_t i = 0; i < scores.length; ++i) best.push(values[i] + 0.0, static_cast<uint32_t>(i));
  const size_t n = best.drain(static_cast<uint32_t*>(indices.data), data<double>(env, info[2]));
  return Napi::Number::New(env, static_cast<double>(n));
}

Napi::Value Funnel(const Napi::CallbackInfo& info) {
  const Arguments<kFunnelArguments> args(info);
  return position(info.Env(), funnel(tableOf(info), funnelTask(info.Env(), args.a)));
}

Napi::Value Scan(const Napi::CallbackInfo& info) {
  const Arguments<7> args(info);
  return position(info.Env(), scan(tableOf(info), scanTask(info.Env(), args.a)));
}

// rows
Napi::Value FirstNonFinite(const Napi::CallbackInfo& info) {
  const View v = view(info.Env(), info[0]);
  // As rows of at most 4096 values, so that the search for the exact place is short.
  constexpr size_t kRow = 4096;
  const RowType type = v.type == napi_float32_array ? kFloat32 : kFloat16;
  const Matrix whole{v.data, type, v.length / kRow, kRow};
  int64_t at = firstNonFinite(tableOf(info), whole, 0, kRow);
  if (at == kAllFinite && v.length % kRow != 0) {
    const size_t done = whole.count * kRow;
    const size_t size = type == kFloat32 ? sizeof(float) : sizeof(uint16_t);
    const Matrix rest{static_cast<unsigned char*>(v.data) + done * size, type, 1, v.length - done};
    at = firstNonFinite(tableOf(info), rest, 0, rest.dim);
    if (at != kAllFinite) at += static_cast<int64_t>(done);
  }
  return position(info.Env(), at);
}

// A flat array of kFunnelArguments values per task.
std::vector<FunnelTask> funnelTasks(Napi::Env env, const Napi::Array& flat) {
  std::vector<FunnelTask> tasks(flat.Length() / kFunnelArguments);
  for (size_t i = 0; i < tasks.size(); ++i) {
    napi_value a[kFunnelArguments];
    for (size_t j = 0; j < kFunnelArguments; ++j) {
      napi_get_element(env, flat, static_cast<uint32_t>(i * kFunnelArguments + j), &a[j]);
    }
    tasks[i] = funnelTask(env, a);
  }
  return tasks;
}

Napi::Array positions(Napi::Env env, const std::vector<int64_t>& at) {
  Napi::Array array = Napi::Array::New(env, at.size());
  for (size_t i = 0; i < at.size(); ++i) array.Set(static_cast<uint32_t>(i), position(env, at[i]));
  return array;
}

Napi::Value FunnelBatch(const Napi::CallbackInfo& info) {
  const auto tasks = funnelTasks(info.Env(), info[0].As<Napi::Array>());
  std::vector<int64_t> at;
  at.reserve(tasks.size());
  for (const FunnelTask& task : tasks) at.push_back(funnel(tableOf(info), task));
  return positions(info.Env(), at);
}

// Runs tasks on a thread of libuv's pool. It sees plain pointers only; the reference keeps their buffers alive.
template <class Task>
class Work : public Napi::AsyncWorker {
 public:
  using Kernel = int64_t (*)(const KernelTable&, const Task&);

  Work(Napi::Env env, Napi::Object buffers, const KernelTable& table, Kernel kernel, std::vector<Task> tasks)
      : Napi::AsyncWorker(env, "funnelvec"),
        deferred_(Napi::Promise::Deferred::New(env)),
        buffers_(Napi::Persistent(buffers)),
        table_(table),
        kernel_(kernel),
        tasks_(std::move(tasks)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    at_.reserve(tasks_.size());
    for (const Task& task : tasks_) at_.push_back(kernel_(table_, task));
  }
  void OnOK() override { deferred_.Resolve(positions(Env(), at_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference buffers_;
  const KernelTable& table_;
  Kernel kernel_;
  std::vector<Task> tasks_;
  std::vector<int64_t> at_;
};

Napi::Value FunnelBatchAsync(const Napi::CallbackInfo& info) {
  const Napi::Array flat = info[0].As<Napi::Array>();
  auto* work = new Work<FunnelTask>(info.Env(), flat, tableOf(info), funnel, funnelTasks(info.Env(), flat));
  const Napi::Promise promise = work->promise();
  work->Queue();
  return promise;
}

// A flat array of a scan's arguments.
Napi::Value ScanAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Array flat = info[0].As<Napi::Array>();
  napi_value a[7];
  for (uint32_t j = 0; j < 7; ++j) napi_get_element(env, flat, j, &a[j]);
  auto* work = new Work<ScanTask>(env, flat, tableOf(info), scan, {scanTask(env, a)});
  const Napi::Promise promise = work->promise();
  work->Queue();
  return promise;
}

// Kernels over coded rows. Every argument stands where src/kernels/codes-native.ts puts it.

double real(napi_env env, napi_value value) {
  double x = 0;
  napi_get_value_double(env, value, &x);
  return x;
}

// plane, dims, blocks, count, query, queries, dots
Napi::Value HeadDots(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<7> args(info);
  const auto& a = args.a;
  headDots(tableOf(info), {data<uint8_t>(env, a[0]), number(env, a[1]), data<uint32_t>(env, a[2]), number(env, a[3]),
                           data<int16_t>(env, a[4]), number(env, a[5]), data<int32_t>(env, a[6])});
  return env.Undefined();
}

// plane, dims, blocks, count, query, dots
Napi::Value BitDots(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<6> args(info);
  const auto& a = args.a;
  bitDots(tableOf(info), {data<uint8_t>(env, a[0]), number(env, a[1]), data<uint32_t>(env, a[2]), number(env, a[3]),
                          data<int16_t>(env, a[4]), data<int32_t>(env, a[5])});
  return env.Undefined();
}

// plane, bits, stride, dims, rows, count, query, dots
Napi::Value RowDots(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<8> args(info);
  const auto& a = args.a;
  const RowVisit visit{data<uint8_t>(env, a[0]), number(env, a[2]), number(env, a[3]), data<uint32_t>(env, a[4]),
                       number(env, a[5])};
  rowDots(tableOf(info), {visit, number(env, a[1]), data<int16_t>(env, a[6]), data<int32_t>(env, a[7])});
  return env.Undefined();
}

// dots, blocks, count, mask, k, rows, best
Napi::Value TopDots(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<7> args(info);
  const auto& a = args.a;
  const size_t n = topDots(
      tableOf(info), {data<int32_t>(env, a[0]), data<uint32_t>(env, a[1]), number(env, a[2]), data<uint16_t>(env, a[3]),
                      number(env, a[4]), data<uint32_t>(env, a[5]), data<int32_t>(env, a[6])});
  return Napi::Number::New(env, static_cast<double>(n));
}

// metric, error, errorScale, tail, tailScale, constant, norms, twoQuery, threshold
constexpr size_t kBoundArguments = 9;

Bound boundAt(napi_env env, const napi_value* a) {
  return {number(env, a[0]), data<uint8_t>(env, a[1]), real(env, a[2]), data<uint8_t>(env, a[3]), real(env, a[4]),
          real(env, a[5]),   data<float>(env, a[6]),   real(env, a[7]), real(env, a[8])};
}

// dots, scale, blocks, count, mask, rows, kept, estimates, bound...
Napi::Value Survivors(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<8 + kBoundArguments> args(info);
  const auto& a = args.a;
  const SurvivorsTask task{data<int32_t>(env, a[0]),  real(env, a[1]),           data<uint32_t>(env, a[2]),
                           number(env, a[3]),         data<uint16_t>(env, a[4]), boundAt(env, a + 8),
                           data<uint32_t>(env, a[5]), data<int32_t>(env, a[6]),  data<double>(env, a[7])};
  return Napi::Number::New(env, static_cast<double>(survivors(tableOf(info), task)));
}

// rows, count, estimates, dots, scale, bound...
Napi::Value Sift(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<5 + kBoundArguments> args(info);
  const auto& a = args.a;
  const SiftTask task{data<uint32_t>(env, a[0]), number(env, a[1]), data<double>(env, a[2]),
                      data<int32_t>(env, a[3]),  real(env, a[4]),   boundAt(env, a + 5)};
  return Napi::Number::New(env, static_cast<double>(sift(tableOf(info), task)));
}

// rows, count, dim, basis, width, out
Napi::Value Project(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<6> args(info);
  const auto& a = args.a;
  project(tableOf(info), {data<float>(env, a[0]), number(env, a[1]), number(env, a[2]), data<float>(env, a[3]),
                          number(env, a[4]), data<double>(env, a[5])});
  return env.Undefined();
}

// rows, places, count, dim, basis, width, offsets, names, best, found
Napi::Value Nearest(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<10> args(info);
  const auto& a = args.a;
  nearest(tableOf(info), {data<float>(env, a[0]), data<uint32_t>(env, a[1]), number(env, a[2]), number(env, a[3]),
                          data<float>(env, a[4]), number(env, a[5]), data<double>(env, a[6]), data<uint32_t>(env, a[7]),
                          data<double>(env, a[8]), data<uint32_t>(env, a[9])});
  return env.Undefined();
}

// values, count, stride, offset, dims, base, step, inverse, first
constexpr size_t kEncodeArguments = 9;

EncodeTask encodeAt(napi_env env, const napi_value* a) {
  return {data<double>(env, a[0]), number(env, a[1]),       number(env, a[2]),
          number(env, a[3]),       number(env, a[4]),       data<double>(env, a[5]),
          data<double>(env, a[6]), data<double>(env, a[7]), number(env, a[8])};
}

// ..., head, fine, coarseError, fineError
Napi::Value EncodeHead(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<kEncodeArguments + 4> args(info);
  const napi_value* a = args.a + kEncodeArguments;
  tableOf(info).codes.encodeHead({encodeAt(env, args.a), data<uint8_t>(env, a[0]), data<uint8_t>(env, a[1]),
                                  data<double>(env, a[2]), data<double>(env, a[3])});
  return env.Undefined();
}

// ..., plane, error
Napi::Value EncodeRows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<kEncodeArguments + 2> args(info);
  const napi_value* a = args.a + kEncodeArguments;
  tableOf(info).codes.encodeRows({encodeAt(env, args.a), data<int8_t>(env, a[0]), data<double>(env, a[1])});
  return env.Undefined();
}

// ..., plane
Napi::Value EncodeBits(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<kEncodeArguments + 1> args(info);
  tableOf(info).codes.encodeBits({encodeAt(env, args.a), data<uint8_t>(env, args.a[kEncodeArguments])});
  return env.Undefined();
}

// metric, query, chunks, chunkRows, stride, dim, rows, count, keys
Napi::Value ScoresAt(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<9> args(info);
  const auto& a = args.a;
  uint32_t length = 0;
  napi_get_array_length(env, a[2], &length);
  std::vector<const void*> chunks(length);
  uint32_t type = kFloat32;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value chunk;
    napi_get_element(env, a[2], i, &chunk);
    const View v = view(env, chunk);
    chunks[i] = v.data;
    type = v.type == napi_float32_array ? kFloat32 : kFloat16;
  }
  scoresAt(tableOf(info),
           {number(env, a[0]), data<float>(env, a[1]), chunks.data(), type, number(env, a[3]), number(env, a[4]),
            number(env, a[5]), data<uint32_t>(env, a[6]), number(env, a[7]), data<double>(env, a[8])});
  return env.Undefined();
}

// bits, ordinals, alive, blocks, count, mask
Napi::Value GatherBits(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<6> args(info);
  const auto& a = args.a;
  const View bits = view(env, a[0]), ordinals = view(env, a[1]);
  gatherBits({static_cast<const uint16_t*>(bits.data), bits.length, static_cast<const uint32_t*>(ordinals.data),
              ordinals.length, data<uint16_t>(env, a[2]), data<uint32_t>(env, a[3]), number(env, a[4]),
              data<uint16_t>(env, a[5])});
  return env.Undefined();
}

// bytes, seed, from, to
Napi::Value Crc32c(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<4> args(info);
  const double from = real(env, args.a[2]), to = real(env, args.a[3]);
  const uint32_t sum = crc32c(data<uint8_t>(env, args.a[0]) + static_cast<size_t>(from), static_cast<size_t>(to - from),
                              number(env, args.a[1]));
  return Napi::Number::New(env, sum);
}

// By how many bytes an array begins behind the begin of a cache line.
Napi::Value BehindLine(const Napi::CallbackInfo& info) {
  const auto address = reinterpret_cast<uintptr_t>(view(info.Env(), info[0]).data);
  return Napi::Number::New(info.Env(), static_cast<double>(address % kLineBytes));
}

// threads: how many the code kernels may use that this thread calls
Napi::Value SetTeam(const Napi::CallbackInfo& info) {
  setTeam(number(info.Env(), info[0]));
  return info.Env().Undefined();
}

// fd, header, stride, slots, ordinals, count, out
Napi::Value ReadRecords(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<7> args(info);
  const auto& a = args.a;
  const RecordsTask t = {
      static_cast<int>(number(env, a[0])), number(env, a[1]), number(env, a[2]),       data<uint32_t>(env, a[3]),
      data<uint32_t>(env, a[4]),           number(env, a[5]), data<uint8_t>(env, a[6])};
  return Napi::Number::New(env, static_cast<double>(readRecords(t)));
}

// words, high, low, rows, begin, from, end, to
Napi::Value StretchBits(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<8> args(info);
  const auto& a = args.a;
  const View words = view(env, a[0]), high = view(env, a[1]);
  stretchBits({static_cast<uint32_t*>(words.data), words.length, static_cast<const uint32_t*>(high.data),
               data<uint32_t>(env, a[2]), high.length, data<uint32_t>(env, a[3]), number(env, a[4]), number(env, a[5]),
               number(env, a[6]), number(env, a[7])});
  return env.Undefined();
}

// rows, bytes, half, count, first, stride, out
Napi::Value EncodeRecords(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<7> args(info);
  const auto& a = args.a;
  const size_t done =
      encodeRecords({data<uint8_t>(env, a[0]), number(env, a[1]), number(env, a[2]) != 0, number(env, a[3]),
                     number(env, a[4]), number(env, a[5]), data<uint8_t>(env, a[6])});
  return Napi::Number::New(env, static_cast<double>(done));
}

// records, stride, bytes, slots, places, count, out
Napi::Value CopyRecords(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Arguments<7> args(info);
  const auto& a = args.a;
  copyRecords({data<uint8_t>(env, a[0]), number(env, a[1]), number(env, a[2]), data<uint32_t>(env, a[3]),
               data<uint32_t>(env, a[4]), number(env, a[5]), data<uint8_t>(env, a[6])});
  return env.Undefined();
}

// fd; 0: taken, 1: another has it, 2: there are no locks on this file
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), lockFile(static_cast<int>(number(info.Env(), info[0]))));
}

// fd
Napi::Value UnlockFile(const Napi::CallbackInfo& info) {
  unlockFile(static_cast<int>(number(info.Env(), info[0])));
  return info.Env().Undefined();
}

// Memory that runs out becomes a JavaScript error.
template <Napi::Value (*kKernel)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return kKernel(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Napi::Error::New(info.Env(), std::string("funnelvec: ") + e.what());
  }
}

template <Napi::Value (*kKernel)(const Napi::CallbackInfo&)>
void bind(Napi::Object object, const char* name, const KernelTable* table) {
  object.Set(name, Napi::Function::New(object.Env(), guarded<kKernel>, name, const_cast<KernelTable*>(table)));
}

// { avx512: { scores, ... }, avx2: ..., scalar: ... }: every level that runs here, best first.
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  for (const KernelTable* table : supportedKernels()) {
    Napi::Object level = Napi::Object::New(env);
    bind<Scores>(level, "scores", table);
    bind<Norms>(level, "norms", table);
    bind<TopKOf>(level, "topK", table);
    bind<Funnel>(level, "funnel", table);
    bind<FunnelBatch>(level, "funnelBatch", table);
    bind<FunnelBatchAsync>(level, "funnelBatchAsync", table);
    bind<Scan>(level, "scan", table);
    bind<ScanAsync>(level, "scanAsync", table);
    bind<FirstNonFinite>(level, "firstNonFinite", table);
    bind<HeadDots>(level, "headDots", table);
    bind<BitDots>(level, "bitDots", table);
    bind<RowDots>(level, "rowDots", table);
    bind<TopDots>(level, "topDots", table);
    bind<Survivors>(level, "survivors", table);
    bind<Sift>(level, "sift", table);
    bind<Project>(level, "project", table);
    bind<Nearest>(level, "nearest", table);
    bind<EncodeHead>(level, "encodeHead", table);
    bind<EncodeRows>(level, "encodeRows", table);
    bind<EncodeBits>(level, "encodeBits", table);
    bind<ScoresAt>(level, "scoresAt", table);
    bind<GatherBits>(level, "gatherBits", table);
    bind<SetTeam>(level, "team", table);
    bind<BehindLine>(level, "behindLine", table);
    bind<Crc32c>(level, "crc32c", table);
    bind<StretchBits>(level, "stretchBits", table);
    bind<EncodeRecords>(level, "encodeRecords", table);
    bind<CopyRecords>(level, "copyRecords", table);
#ifndef _WIN32
    bind<ReadRecords>(level, "readRecords", table);
    bind<LockFile>(level, "lockFile", table);
    bind<UnlockFile>(level, "unlockFile", table);
#endif
    exports.Set(table->name, level);
  }
  return exports;
}

}  // namespace

NODE_API_MODULE(funnelvec, Init)
