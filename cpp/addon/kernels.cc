// The kernels of src/kernels/kernels.ts as functions of JavaScript; funnel and scan also on a thread of libuv's pool.
#include <utility>

#include "../funnel.h"
#include "../topk.h"
#include "bindings.h"
#include "call.h"

namespace funnelvec {
namespace {

const InstructionSet& isaOf(const Napi::CallbackInfo& info) { return *static_cast<const InstructionSet*>(info.Data()); }

// Tasks whose arguments lie one behind the other in an array.
template <class Task>
std::vector<Task> tasksOf(Napi::Env env, const Napi::Array& flat) {
  constexpr size_t kArguments = countArguments<Task>();
  std::vector<Task> tasks(flat.Length() / kArguments);
  napi_value values[kArguments];
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (size_t j = 0; j < kArguments; ++j) {
      values[j] = elementOf(env, flat, static_cast<uint32_t>(i * kArguments + j));
    }
    Reader reader(env, values);
    arguments(reader, tasks[i]);
  }
  return tasks;
}

Napi::Array positions(Napi::Env env, const std::vector<int64_t>& at) {
  Napi::Array array = Napi::Array::New(env, at.size());
  for (size_t i = 0; i < at.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(at[i])));
  }
  return array;
}

Napi::Value funnelBatch(const Napi::CallbackInfo& info) {
  const auto tasks = tasksOf<FunnelTask>(info.Env(), info[0].As<Napi::Array>());
  std::vector<int64_t> at;
  at.reserve(tasks.size());
  for (const FunnelTask& task : tasks) at.push_back(funnel(isaOf(info), task));
  return positions(info.Env(), at);
}

// Runs tasks on a thread of libuv's pool. It sees plain pointers only; the reference keeps their buffers alive.
template <class Task>
class Work : public Napi::AsyncWorker {
 public:
  using Kernel = int64_t (*)(const InstructionSet&, const Task&);

  Work(Napi::Env env, Napi::Object buffers, const InstructionSet& isa, Kernel kernel, std::vector<Task> tasks)
      : Napi::AsyncWorker(env, "funnelvec"),
        deferred_(Napi::Promise::Deferred::New(env)),
        buffers_(Napi::Persistent(buffers)),
        isa_(isa),
        kernel_(kernel),
        tasks_(std::move(tasks)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    const DefaultFloatingPoint mode;
    at_.reserve(tasks_.size());
    for (const Task& task : tasks_) at_.push_back(kernel_(isa_, task));
  }
  void OnOK() override { deferred_.Resolve(positions(Env(), at_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference buffers_;
  const InstructionSet& isa_;
  Kernel kernel_;
  std::vector<Task> tasks_;
  std::vector<int64_t> at_;
};

template <class Task, int64_t (*kKernel)(const InstructionSet&, const Task&)>
Napi::Value async(const Napi::CallbackInfo& info) {
  const Napi::Array flat = info[0].As<Napi::Array>();
  auto* work = new Work<Task>(info.Env(), flat, isaOf(info), kKernel, tasksOf<Task>(info.Env(), flat));
  const Napi::Promise promise = work->promise();
  work->Queue();
  return promise;
}

}  // namespace

void bindKernels(Napi::Object level, const InstructionSet& isa) {
#define FUNNELVEC_BIND(kernel) bind<kernel>(level, #kernel, &isa);
  FUNNELVEC_KERNELS(FUNNELVEC_BIND)
#undef FUNNELVEC_BIND
  bindCall<funnelBatch>(level, "funnelBatch", &isa);
  bindCall<async<FunnelTask, funnel>>(level, "funnelBatchAsync", &isa);
  bindCall<async<ScanTask, scan>>(level, "scanAsync", &isa);
}

void bindCommonKernels(Napi::Object common) { bind<topK>(common, "topK"); }

void describeKernels(const Describe& describe) {
#define FUNNELVEC_DESCRIBE(kernel) describe(#kernel, signatureOf<kernel>());
  FUNNELVEC_KERNELS(FUNNELVEC_DESCRIBE)
#undef FUNNELVEC_DESCRIBE
  describe("topK", signatureOf<topK>());
}

}  // namespace funnelvec
