#include "monitor/api/vm_state.hpp"

#include "base/monotonic_clock.hpp"
#include "monitor/api/fields.hpp"

namespace {

template <typename Step>
uint64_t microseconds_of(Step step) {
    constexpr uint64_t kNanosecondsPerMicrosecond = 1000;
    const uint64_t start_ns = monotonic_ns();
    step();
    return (monotonic_ns() - start_ns) / kNanosecondsPerMicrosecond;
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
