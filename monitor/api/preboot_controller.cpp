#include "monitor/api/preboot_controller.hpp"

#include <algorithm>

#include "monitor/api/documents.hpp"
#include "monitor/api/inquiries.hpp"

namespace {

constexpr Error kNeedsStart{
    "The requested operation is not supported before starting the microVM."};

}  // namespace

Result<HttpResponse> PrebootController::answer(const ApiRequest& request,
                                               InstanceStarter& starter) {
    starter_ = &starter;
    auto answered = configure(request);
    if (answered.ok() && std::holds_alternative<MachineChange>(request))
        starter.foresee(settings_.config.shape.memory_bytes);
    return answered;
}

Result<HttpResponse> PrebootController::configure(const ApiRequest& part) {
    return std::visit([this](const auto& asked) { return on(asked); }, part);
}

Result<HttpResponse> PrebootController::on(Inquiry inquiry) {
    return answer_inquiry(inquiry, settings_, "Not started", observation_.metrics());
}

Config& PrebootController::begin_change() {
    candidate_ = settings_.config;
    return candidate_;
}

Result<HttpResponse> PrebootController::finish_change() {
    TRY(validate(candidate_, kApiNames));
    files_.notice_changes();
    TRY(files_.open_missing(candidate_, kApiNames));
    settings_.config = candidate_;
    return HttpResponse{};
}

Result<HttpResponse> PrebootController::on(const MachineChange& change) {
    apply(change, begin_change());
    return finish_change();
}

Result<HttpResponse> PrebootController::on(const BootSource& source) {
    apply(source, begin_change());
    return finish_change();
}

Result<HttpResponse> PrebootController::on(const DriveConfig& drive) {
    begin_change().put(drive);
    if (std::ranges::count_if(candidate_.shape.drives, &DriveShape::is_root) > 1)
        return Error{"is_root_device", 0, "is true of another drive; a VM has one root"};
    return finish_change();
}

Result<HttpResponse> PrebootController::on(const NicConfig& nic) {
    begin_change().put(nic);
    return finish_change();
}

Result<HttpResponse> PrebootController::on(const SerialConfig& serial) {
    begin_change().host.serial_output_path = serial.output_path;
    return finish_change();
}

Result<HttpResponse> PrebootController::on(const LoggerConfig& logger) {
    if (const auto configured = observation_.configure_log(logger); !configured.ok())
        return said_of("log_path", configured.error());
    settings_.logger = logger;
    return HttpResponse{};
}

Result<HttpResponse> PrebootController::on(const MetricsConfig& metrics) {
    if (const auto opened = observation_.write_metrics_to(metrics.path); !opened.ok())
        return said_of("metrics_path", opened.error());
    settings_.metrics = metrics;
    return HttpResponse{};
}

Result<HttpResponse> PrebootController::on(ApiAction action) {
    switch (action) {
        case ApiAction::kInstanceStart:
            return start_instance();
        case ApiAction::kFlushMetrics:
            TRY(observation_.flush_metrics());
            return HttpResponse{};
        case ApiAction::kSendCtrlAltDel:
            return kNeedsStart;
    }
    __builtin_unreachable();
}

Result<HttpResponse> PrebootController::start_instance() {
    if (settings_.config.boot.kernel_path.empty())
        return Error{"InstanceStart", 0, "needs a kernel; PUT /boot-source first"};
    // A start that failed has used up what was open.
    TRY(files_.open_missing(settings_.config, kApiNames));
    started_ = TRY(starter_->start(settings_.config, files_));
    return HttpResponse{};
}

Result<HttpResponse> PrebootController::on(const DriveChange& /*change*/) {
    return kNeedsStart;
}

Result<HttpResponse> PrebootController::on(const NicChange& /*change*/) {
    return kNeedsStart;
}

Result<HttpResponse> PrebootController::on(VmState /*state*/) {
    return kNeedsStart;
}
