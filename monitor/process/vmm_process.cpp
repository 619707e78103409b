#include "monitor/process/vmm_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/line_sink.hpp"
#include "base/log.hpp"
#include "monitor/api/socket.hpp"
#include "monitor/memory/layout.hpp"
#include "monitor/process/ending_report.hpp"
#include "monitor/process/supervisor.hpp"
#include "monitor/sandbox/status.hpp"

VmmProcess::VmmProcess(const VmmOptions& options, Timeline& timeline)
    : options_(options), timeline_(timeline), observation_(options.id) {
    settings_.id = options.id;
    settings_.config.shape.has_keyboard = true;  // as the peer's VMs
    settings_.config.host.log_boot_time = options.log_boot_time;
    settings_.config.host.ready_fd = options.ready_fd;
}

void VmmProcess::report(const Error& error) const {
    log_error(error);
    if (!observation_.logs_elsewhere()) return;
    reset_log();
    log_error(error);
}

// --- Before the VM ------------------------------------------------------------------------------

Result<> VmmProcess::adopt_descriptors() {
    if (options_.ready_fd.has_value()) {
        if (::fcntl(*options_.ready_fd, F_SETFD, FD_CLOEXEC) != 0)
            return Error::from_errno("--ready-fd", "name a descriptor that is open");
        ready_ = UniqueFd(*options_.ready_fd);
    }
    if (options_.api_fd.has_value()) api_socket_ = TRY(adopt_socket(*options_.api_fd));
    return Ok{};
}

Result<> VmmProcess::configure() {
    // Read first: its path may be that of a descriptor which the jail does not keep.
    if (options_.config_path != nullptr) TRY(config_file_.read(options_.config_path));
    if (options_.jail.has_value()) {
        std::vector<int> kept;
        if (ready_) kept.push_back(ready_.get());
        if (api_socket_) kept.push_back(api_socket_.get());
        jail_ = TRY(OwnJail::prepare(options_.jail->ids, std::move(kept)));
    }
    filters_ = TRY(choose_filters(options_.filters));
    if (options_.logger.has_value()) {
        if (const auto opened = observation_.configure_log(*options_.logger); !opened.ok())
            return said_of("--log-path", opened.error());
        settings_.logger = options_.logger;
    }
    if (options_.metrics_path.has_value()) {
        if (const auto opened = observation_.write_metrics_to(*options_.metrics_path); !opened.ok())
            return said_of("--metrics-path", opened.error());
        settings_.metrics = MetricsConfig{.path = *options_.metrics_path};
    }
    if (options_.trace_path != nullptr) trace_ = TRY(open_trace(options_.trace_path));
    if (options_.config_path != nullptr) TRY(config_file_.apply(controller_));
    timeline_.mark(Stage::kOptions);
    return Ok{};
}

Result<int> VmmProcess::run() {
    signals_ = TRY(Signals::create(SignalsFor::kVm));
    memory_lost_ = TRY(EventFd::create());
    if (options_.api_path != nullptr) api_socket_ = TRY(listen_at(options_.api_path));
    if (jail_.has_value()) TRY(enter_jail());
    if (!options_.has_api()) {
        controller_.start_with(*this);
        TRY(controller_.start_instance());
        return run_to_the_end();
    }
    TRY(open_api());
    const std::optional<int> ended = wait_for_start();
    if (ended.has_value()) return *ended;
    return run_to_the_end();
}

// /dev/kvm is not in there.
Result<> VmmProcess::enter_jail() {
    blank_ = TRY(BlankVm::create());
    return jail_->enter(settings_.config.shape.nics.empty() ? Network::kEmpty : Network::kKept);
}

Result<> VmmProcess::open_api() {
    report_forbidden_calls();
    gate_ = TRY(StartGate::create());
    if (options_.config_path != nullptr) gate_->foresee(settings_.config.shape.memory_bytes);
    controller_.start_with(*gate_);
    api_.emplace(TRY(
        ApiThread::start(std::move(api_socket_),
                         {.max_body_bytes = options_.max_payload_bytes, .start = options_.start},
                         controller_, *filters_)));
    report_startup(options_.start_times, observation_.metrics().api_server);
    return say_ready();
}

Result<> VmmProcess::say_ready() {
    constexpr std::string_view kLine = "api\n";
    if (ready_ && write_once(ready_.get(), kLine) < 0) return Error::from_errno("--ready-fd");
    return Ok{};
}

// While clients take their time. What goes wrong is told to who starts the VM, which is then made
// from the beginning.
void VmmProcess::prepare_any() {
    if (!blank_.has_value())
        if (auto blank = BlankVm::create(); blank.ok()) blank_ = std::move(blank).value();
    if (blank_.has_value() && !blank_->give_room(layout::kMaxVirtioDevices).ok()) blank_.reset();
}

// While a client that has said how much RAM it shall have says the rest.
void VmmProcess::prepare(uint64_t memory_bytes) {
    const auto prepared = [&]() -> Result<> {
        TRY(blank_->give_ram(memory_bytes));
        TRY(blank_->give_interrupts());
        return blank_->give_boot_vcpu();
    };
    if (blank_.has_value() && !prepared().ok()) blank_.reset();
}

// The exit status, where a signal ends the process.
std::optional<int> VmmProcess::take_signal() {
    const int signal = signals_->take();
    if (signal == SIGTSTP) ::kill(::getpid(), SIGSTOP);
    if (signal == 0 || signal == SIGTSTP || signal == SIGCONT) return {};
    gate_->close();
    return kStatusSignalBase + signal;
}

// True if the VM runs.
bool VmmProcess::follow_order() {
    const std::optional<StartOrder> order = gate_->take();
    if (!order.has_value()) {
        if (const auto memory = gate_->take_foreseen_memory()) prepare(*memory);
        return false;
    }
    const auto started = start(order->config, order->files);
    gate_->answer(started);
    return started.ok();
}

std::optional<int> VmmProcess::wait_for_start() {
    prepare_any();
    while (true) {
        std::array<pollfd, 3> events{
            {{gate_->fd(), POLLIN, 0}, {signals_->fd(), POLLIN, 0}, {api_->ended_fd(), POLLIN, 0}}};
        if (::poll(events.data(), events.size(), -1) < 0) continue;  // EINTR
        if (events[2].revents != 0) return api_->has_failed() ? kStatusFailed : kStatusHungUp;
        if (events[1].revents != 0) {
            const std::optional<int> ended = take_signal();
            if (ended.has_value()) return ended;
        }
        if (events[0].revents != 0 && follow_order()) return {};
    }
}

// --- The VM -------------------------------------------------------------------------------------

Result<RunningVm*> VmmProcess::start(const Config& config, HostFiles& files) {
    const Result<> created = create_machine(config, files);
    if (!created.ok()) {
        machine_.reset();
        terminal_.reset();
        return created.error();
    }
    guard_.emplace(machine_->ram_regions(), *memory_lost_, *terminal_);
    control_.emplace(*machine_);
    if (const auto started = machine_->start(*filters_); !started.ok()) {
        machine_->stop();  // the guard outlives the threads that did start
        control_.reset();
        guard_.reset();
        machine_.reset();
        terminal_.reset();
        return started.error();
    }
    return &*control_;
}

Result<> VmmProcess::create_machine(const Config& config, HostFiles& files) {
    if (!blank_.has_value()) blank_ = TRY(BlankVm::create());
    BlankVm blank = std::move(*blank_);
    blank_.reset();
    terminal_.emplace(TRY(Terminal::create(STDIN_FILENO)));
    const auto keys = terminal_->is_terminal() ? EscapeKeys::kEnabled : EscapeKeys::kDisabled;
    const auto changes = options_.has_api() ? Changes::kAllowed : Changes::kNone;
    machine_ = TRY(Machine::create(std::move(blank), config.shape,
                                   {.config = config.host,
                                    .files = files,
                                    .keys = keys,
                                    .changes = changes,
                                    .timeline = timeline_},
                                   {files.images(), config.boot.initrd_appended}));
    return Ok{};
}

Result<int> VmmProcess::run_to_the_end() {
    wait_for_end({.machine = *machine_,
                  .signals = *signals_,
                  .memory_lost = *memory_lost_,
                  .terminal = *terminal_,
                  .hangup_fd = api_.has_value() ? api_->ended_fd() : -1,
                  .metrics = options_.has_api() ? nullptr : &observation_});
    timeline_.mark(Stage::kExit);
    api_.reset();
    machine_->stop();
    machine_->stdio().drain(signals_->fd());
    terminal_->restore();
    report_ending(machine_->ending().ending(), settings_.config.shape.stdio, 0, machine_->stdio());
    const int status = status_of_end();
    // Where they go may be gone; who reads them is not who waits for this process.
    static_cast<void>(observation_.flush_metrics());
    if (trace_) TRY(timeline_.write_trace(trace_.get()));
    leave_to_the_kernel(std::move(machine_));
    return status;
}

int VmmProcess::status_of_end() {
    Metrics& metrics = observation_.metrics();
    const Ending& ending = machine_->ending().ending();
    pollfd lost{memory_lost_->fd(), POLLIN, 0};
    if (::poll(&lost, 1, 0) > 0) metrics.signals.sigbus.add();
    switch (ending.cause) {
        case Ending::Cause::kReport:
            return ending.status;
        case Ending::Cause::kGuest:
        case Ending::Cause::kUser:
            return 0;
        case Ending::Cause::kSignal:
            if (ending.status == SIGHUP) metrics.signals.sighup.add();
            return kStatusSignalBase + ending.status;
        case Ending::Cause::kMonitor:
            metrics.vmm.panic_count.add();
            return kStatusFailed;
        case Ending::Cause::kVersion:  // there is no channel
        case Ending::Cause::kCrash:
        case Ending::Cause::kTimeout:
            return kStatusFailed;
    }
    __builtin_unreachable();
}
