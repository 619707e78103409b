#include "monitor/api/runtime_controller.hpp"

#include <algorithm>
#include <chrono>

#include "monitor/api/documents.hpp"
#include "monitor/api/inquiries.hpp"

namespace {

constexpr Error kNeedsNoStart{
    "The requested operation is not supported after starting the microVM."};

template <typename Device>
Result<size_t> find(const std::vector<Device>& devices, const char* field, const std::string& id) {
    const auto known = std::ranges::find(devices, id, &Device::id);
    if (known == devices.end()) return Error{field, 0, "names no device of this VM"};
    return static_cast<size_t>(known - devices.begin());
}

uint64_t microseconds_of(const std::function<void()>& step) {
    const auto start = std::chrono::steady_clock::now();
    step();
    const auto took = std::chrono::steady_clock::now() - start;
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

bool changes(const LimitsChange& change) {
    return change.bandwidth.has_value() || change.ops.has_value();
}

}  // namespace

RuntimeController::RuntimeController(VmSettings settings, RunningVm& vm, Observation& observation)
    : settings_(std::move(settings)), vm_(vm), observation_(observation) {}

Result<HttpResponse> RuntimeController::answer(const ApiRequest& request) {
    return std::visit([this](const auto& asked) { return on(asked); }, request);
}

Result<HttpResponse> RuntimeController::on(Inquiry inquiry) {
    const char* const state = state_ == VmState::kPaused ? "Paused" : "Running";
    return answer_inquiry(inquiry, settings_, state, observation_.metrics());
}

Result<HttpResponse> RuntimeController::on(ApiAction action) {
    switch (action) {
        case ApiAction::kInstanceStart:
            return kNeedsNoStart;
        case ApiAction::kFlushMetrics:
            TRY(observation_.flush_metrics());
            return HttpResponse{};
        case ApiAction::kSendCtrlAltDel:
            TRY(vm_.send_ctrl_alt_del());
            return HttpResponse{};
    }
    __builtin_unreachable();
}

Result<HttpResponse> RuntimeController::on(VmState state) {
    LatencyMetrics& latencies = observation_.metrics().latencies;
    if (state == VmState::kPaused)
        latencies.pause_vm.set(microseconds_of([this] { vm_.pause(); }));
    else
        latencies.resume_vm.set(microseconds_of([this] { vm_.resume(); }));
    state_ = state;
    return HttpResponse{};
}

Result<HttpResponse> RuntimeController::on(const DriveChange& change) {
    const size_t number = TRY(find(settings_.config.shape.drives, "drive_id", change.id));
    DriveHost& drive = settings_.config.host.drives[number];
    // The one that can fail comes first.
    if (change.path.has_value()) {
        const Result<> changed = vm_.change_drive(number, *change.path);
        if (!changed.ok()) return said_of(kApiNames.drive, changed.error());
        drive.path = *change.path;
    }
    if (!changes(change.limits)) return HttpResponse{};
    RateLimiterConfig limits = drive.limits;
    apply(change.limits, limits);
    TRY(vm_.limit_drive(number, limits));
    drive.limits = limits;
    return HttpResponse{};
}

Result<HttpResponse> RuntimeController::on(const NicChange& change) {
    const size_t number = TRY(find(settings_.config.shape.nics, "iface_id", change.id));
    NicHost& nic = settings_.config.host.nics[number];
    RateLimiterConfig receive = nic.receive_limits;
    RateLimiterConfig transmit = nic.transmit_limits;
    apply(change.receive, receive);
    apply(change.transmit, transmit);
    TRY(vm_.limit_nic(number, receive, transmit));
    nic.receive_limits = receive;
    nic.transmit_limits = transmit;
    return HttpResponse{};
}

Result<HttpResponse> RuntimeController::on(const MachineChange& /*change*/) {
    return kNeedsNoStart;
}

Result<HttpResponse> RuntimeController::on(const BootSource& /*source*/) {
    return kNeedsNoStart;
}

Result<HttpResponse> RuntimeController::on(const DriveConfig& /*drive*/) {
    return kNeedsNoStart;
}

Result<HttpResponse> RuntimeController::on(const NicConfig& /*nic*/) {
    return kNeedsNoStart;
}

Result<HttpResponse> RuntimeController::on(const SerialConfig& /*serial*/) {
    return kNeedsNoStart;
}

Result<HttpResponse> RuntimeController::on(const LoggerConfig& /*logger*/) {
    return kNeedsNoStart;
}

Result<HttpResponse> RuntimeController::on(const MetricsConfig& /*metrics*/) {
    return kNeedsNoStart;
}
