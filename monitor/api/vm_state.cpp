#include "monitor/api/vm_state.hpp"

#include "base/monotonic_clock.hpp"
#include "monitor/api/fields.hpp"

Result<VmActivity> parse_vm_state(const JsonNode& body) {
    constexpr Words<VmActivity, 2> kActivities{
        "is neither Paused nor Resumed",
        {{{"Paused", VmActivity::kPaused}, {"Resumed", VmActivity::kResumed}}}};
    JsonFields fields = TRY(JsonFields::of(body));
    const VmActivity state = TRY(parse_required_word(fields, "state", kActivities));
    TRY(fields.done());
    return state;
}

Result<HttpResponse> change_vm_state(VmActivity state, Controller& controller) {
    RunningInstance& instance = controller.running();
    LatencyMetrics& latencies = controller.observation().metrics().latencies;
    constexpr uint64_t kNanosecondsPerMicrosecond = 1000;
    const bool pauses = state == VmActivity::kPaused;
    const uint64_t start_ns = monotonic_ns();
    const Result<> done = pauses ? instance.vm.pause() : instance.vm.resume();
    instance.is_paused = pauses && done.ok();
    TRY(done);
    (pauses ? latencies.pause_vm : latencies.resume_vm)
        .set((monotonic_ns() - start_ns) / kNanosecondsPerMicrosecond);
    return HttpResponse{};
}
