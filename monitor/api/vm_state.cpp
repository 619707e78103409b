#include "monitor/api/vm_state.hpp"

#include <chrono>

#include "monitor/api/fields.hpp"

namespace {

template <typename Step>
uint64_t microseconds_of(Step step) {
    const auto start = std::chrono::steady_clock::now();
    step();
    const auto took = std::chrono::steady_clock::now() - start;
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

}  // namespace

Result<VmState> parse_vm_state(const JsonNode& body) {
    constexpr Words<VmState, 2> kVmStates{
        "is neither Paused nor Resumed",
        {{{"Paused", VmState::kPaused}, {"Resumed", VmState::kResumed}}}};
    JsonFields fields = TRY(JsonFields::of(body));
    const VmState state = TRY(parse_required_word(fields, "state", kVmStates));
    TRY(fields.done());
    return state;
}

Result<HttpResponse> change_vm_state(VmState state, Controller& controller) {
    RunningInstance& instance = controller.running();
    LatencyMetrics& latencies = controller.observation().metrics().latencies;
    instance.is_paused = state == VmState::kPaused;
    if (instance.is_paused)
        latencies.pause_vm.set(microseconds_of([&] { instance.vm.pause(); }));
    else
        latencies.resume_vm.set(microseconds_of([&] { instance.vm.resume(); }));
    return HttpResponse{};
}
