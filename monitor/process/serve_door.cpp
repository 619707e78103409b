#include "monitor/process/serve_door.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>

#include <array>
#include <csignal>
#include <string>

#include "base/log.hpp"
#include "base/unwaited_write.hpp"
#include "monitor/api/config_file.hpp"
#include "monitor/api/controller.hpp"
#include "monitor/api/socket.hpp"
#include "monitor/process/api_thread.hpp"
#include "monitor/process/ending_report.hpp"
#include "monitor/process/help.hpp"
#include "monitor/process/life.hpp"
#include "monitor/process/machine_control.hpp"
#include "monitor/process/serve_options.hpp"
#include "monitor/process/start_gate.hpp"

namespace {

// KVM's work would hold up the API's thread, and a client that waits for the socket asks at once.
constexpr int kHeadStartMs = 1;

LifePlan plan_of(const ServeOptions& options, CalledAs called) {
    return {.statuses = called == CalledAs::kPeer ? as_peer(kServeStatuses) : kServeStatuses,
            .jail = options.jail,
            .tenancy = options.tenancy,
            .filters = options.filters,
            .trace_path = options.trace_path,
            .changes = options.has_api() ? Changes::kAllowed : Changes::kNone};
}

// What main owns in Firecracker's mode, and its way from a configuration to the VM's life.
class ServeDoor final : private InstanceStarter {
public:
    // Both outlive the door.
    ServeDoor(const ServeOptions& options, CalledAs called, Timeline& timeline);

    // Says why the process ends: in its log, and on stderr, where its caller looks. Returns
    // `status`, which the log says too.
    int report(const Error& error, int status);
    int end_with(int status) const;

    // The descriptors that the command line names. Errors: they are none that will do.
    Result<> adopt_descriptors();

    // What the command line and the configuration file say, with all files that they name opened.
    // Errors: those of the configuration.
    Result<> configure();

    // Until the VM's end, or a signal's. Returns the exit status. Errors: what this process could
    // not do. Precondition: configure(), and for that adopt_descriptors().
    Result<int> run();

private:
    Result<> configure_observation();
    Result<> open_api();
    Result<> say_ready();
    // Until somebody has started the VM. Returns the exit status where the process ends before.
    std::optional<int> wait_for_start();
    std::optional<int> take_signal();
    bool follow_order();
    void end_if_noted();
    void note(const char* text) const;

    // InstanceStarter, for main itself.
    Result<RunningVm*> start(const Config& config, HostFiles& files) override;
    Result<Config> read_snapshot(SnapshotFiles& snapshot) override;
    Result<RunningVm*> restore(const Config& config, HostFiles& files, AfterRestore after) override;
    void foresee(uint64_t /*memory_bytes*/) override {}

    const ServeOptions& options_;
    Timeline& timeline_;
    // Destroyed from the last to the first: the API before the machine, that before what it uses.
    Observation observation_;
    VmSettings settings_;
    HostFiles files_;
    ConfigFile config_file_;
    Controller controller_{settings_, files_, observation_};
    UniqueFd ready_;
    Life life_;
    std::optional<SavedMachine> saved_;  // what the last snapshot that was read says
    std::optional<MachineControl> control_;
    UniqueFd api_socket_;
    std::unique_ptr<StartGate> gate_;
    std::optional<ApiThread> api_;
    const char* api_thread_ = "api";
};

ServeDoor::ServeDoor(const ServeOptions& options, CalledAs called, Timeline& timeline)
    : options_(options),
      timeline_(timeline),
      observation_(options.id),
      life_(plan_of(options, called), timeline) {
    settings_.id = options.id;
    settings_.config.shape.has_keyboard = true;  // as Firecracker's VMs
    settings_.config.host.tenancy = options.tenancy;
    settings_.config.host.log_boot_time = options.log_boot_time;
    settings_.config.host.ready_fd = options.ready_fd;
    settings_.accepts_absent = options.accepts_absent;
    if (called == CalledAs::kItself) return;
    settings_.called = called;
    settings_.config.host.vcpu_threads = "fc_vcpu ";
    settings_.config.host.sharing = DiskSharing::kWarned;
    api_thread_ = "fc_api";
    ::prctl(PR_SET_NAME, "firecracker");  // whatever file it was executed from
}

// For programs, which look for Firecracker's words; nobody else needs them.
void ServeDoor::note(const char* text) const {
    if (observation_.has_log()) LOG_INFO("%s", text);
}

int ServeDoor::end_with(int status) const {
    if (status == 0)
        note("Firecracker exiting successfully. exit_code=0");
    else
        note(("Firecracker exiting with error. exit_code=" + std::to_string(status)).c_str());
    return status;
}

int ServeDoor::report(const Error& error, int status) {
    // What is wrong may have been found before the log was to be opened.
    if (options_.logger.has_value() && !observation_.logs_elsewhere())
        static_cast<void>(observation_.configure_log(*options_.logger));
    log_error(error);
    end_with(status);
    if (!observation_.logs_elsewhere()) return status;
    reset_log();
    log_error(error);
    return status;
}

// --- Before the VM ------------------------------------------------------------------------------

Result<> ServeDoor::adopt_descriptors() {
    if (options_.ready_fd.has_value()) {
        settings_.config.host.ready_way = make_own(*options_.ready_fd);
        if (::fcntl(*options_.ready_fd, F_SETFD, FD_CLOEXEC) != 0)
            return Error::from_errno("--ready-fd", "name a descriptor that is open");
        ready_ = UniqueFd(*options_.ready_fd);
    }
    if (options_.api_fd.has_value()) api_socket_ = TRY(adopt_socket(*options_.api_fd));
    return Ok{};
}

Result<> ServeDoor::configure() {
    // Read first: its path may be that of a descriptor which the jail does not keep.
    if (options_.config_path != nullptr) TRY(config_file_.read(options_.config_path));
    std::vector<int> kept;
    if (ready_) kept.push_back(ready_.get());
    if (api_socket_) kept.push_back(api_socket_.get());
    TRY(life_.confine(std::move(kept)));
    TRY(configure_observation());
    TRY(life_.open_trace_file());
    if (options_.config_path != nullptr) TRY(config_file_.apply(controller_));
    timeline_.mark(Stage::kOptions);
    return Ok{};
}

Result<> ServeDoor::configure_observation() {
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
    return Ok{};
}

Result<> ServeDoor::open_api() {
    report_forbidden_calls();
    files_.serve_requests();
    gate_ = TRY(StartGate::create());
    controller_.start_with(*gate_);
    if (options_.config_path != nullptr) controller_.foresee();
    report_startup(options_.start_times, observation_.metrics().api_server);
    TRY(say_ready());  // the socket accepts; who comes now waits for the thread's start
    api_.emplace(TRY(ApiThread::start(std::move(api_socket_),
                                      {.max_body_bytes = options_.max_payload_bytes,
                                       .start = options_.start,
                                       .thread = api_thread_},
                                      controller_, life_.filters())));
    TRY(life_.shut_in());
    api_->confined();
    return Ok{};
}

Result<> ServeDoor::say_ready() {
    constexpr std::string_view kLine = "api\n";
    const WriteWay way = settings_.config.host.ready_way;
    if (ready_ && write_unwaited(ready_.get(), way, kLine) < 0 && errno != EAGAIN)
        return Error::from_errno("--ready-fd");
    note("API server started.");
    return Ok{};
}

// The exit status, where a signal ends the process.
std::optional<int> ServeDoor::take_signal() {
    const int signal = life_.signals().take();
    if (signal == SIGTSTP) life_.signals().stop_process();
    if (signal == 0 || signal == SIGTSTP || signal == SIGCONT) return {};
    gate_->close();
    api_.reset();  // from here on the metrics are ours
    count_signal(signal, observation_.metrics());
    static_cast<void>(observation_.flush_metrics());
    return life_.end_by(signal);
}

void ServeDoor::end_if_noted() {
    const std::optional<NotedSignal> noted = noted_signal();
    if (!noted.has_value()) return;
    if (noted->stuck_thread != api_thread_) {
        gate_->close();
        api_.reset();  // from here on the metrics are ours
    }
    Life::end_noted(*noted, observation_);
}

// True if the VM runs.
bool ServeDoor::follow_order() {
    const std::optional<Order> order = gate_->take();
    if (!order.has_value()) {
        // A client has said how much RAM the VM shall have, and still says the rest.
        if (const auto memory = gate_->take_foreseen_memory()) life_.foresee(*memory);
        return false;
    }
    if (const auto* const to_read = std::get_if<ReadOrder>(&*order)) {
        gate_->answer_reader(read_snapshot(to_read->snapshot));
        return false;
    }
    const StartOrder& to_start = std::get<StartOrder>(*order);
    const auto started = to_start.restored.has_value()
                             ? restore(to_start.config, to_start.files, *to_start.restored)
                             : start(to_start.config, to_start.files);
    gate_->answer(started);
    return started.ok();
}

std::optional<int> ServeDoor::wait_for_start() {
    bool has_foreseen = false;  // KVM's part, while clients take their time
    while (true) {
        std::array<pollfd, 4> events{{{gate_->fd(), POLLIN, 0},
                                      {life_.signals().fd(), POLLIN, 0},
                                      {api_->ended_fd(), POLLIN, 0},
                                      {life_.news().fd(), POLLIN, 0}}};
        const int ready = ::poll(events.data(), events.size(), has_foreseen ? -1 : kHeadStartMs);
        if (ready == 0) {
            has_foreseen = true;
            life_.foresee_any();
        }
        if (ready <= 0) continue;  // EINTR
        end_if_noted();
        if (events[2].revents != 0)
            return api_->has_failed() ? kServeStatuses.monitor_failed : kStatusHungUp;
        if (events[1].revents != 0) {
            const std::optional<int> ended = take_signal();
            if (ended.has_value()) return ended;
        }
        if (events[0].revents != 0 && follow_order()) return {};
    }
}

// --- The VM -------------------------------------------------------------------------------------

Result<RunningVm*> ServeDoor::start(const Config& config, HostFiles& files) {
    TRY(life_.create(config, files));
    TRY(life_.start());
    if (options_.config_path != nullptr)
        note("Successfully started microvm that was configured from one single json");
    return &control_.emplace(life_.machine());
}

Result<Config> ServeDoor::read_snapshot(SnapshotFiles& snapshot) {
    return saved_.emplace(TRY(SavedMachine::read(snapshot))).config();
}

Result<RunningVm*> ServeDoor::restore(const Config& config, HostFiles& files, AfterRestore after) {
    life_.go_on_from(std::move(*saved_));
    saved_.reset();
    TRY(life_.create(config, files));
    TRY(life_.start(after));
    return &control_.emplace(life_.machine());
}

// The jail is entered before the API is open, which then finds its files in there.
Result<int> ServeDoor::run() {
    TRY(life_.heed_signals());
    if (options_.api_path != nullptr) api_socket_ = TRY(listen_at(options_.api_path));
    TRY(life_.enter_jail());
    if (options_.has_api()) {
        TRY(open_api());
        if (const std::optional<int> ended = wait_for_start()) return *ended;
        life_.wait(api_->ended_fd());
        end_if_noted();
        api_.reset();
    } else {
        controller_.start_with(*this);
        TRY(controller_.start_instance());
        life_.wait(-1, &observation_);
    }
    return life_.end(&observation_);
}

}  // namespace

int serve_door(std::span<const char* const> arguments, Timeline& timeline, CalledAs called) {
    const auto options = ServeOptions::parse(arguments);
    if (!options.ok()) {
        log_error(options.error());
        return kServeStatuses.bad_arguments;
    }
    if (options.value().asked != Asked::kNothing)
        return answer(options.value().asked, "api", called);
    ServeDoor door(options.value(), called, timeline);
    if (const auto adopted = door.adopt_descriptors(); !adopted.ok())
        return door.report(adopted.error(), kServeStatuses.bad_arguments);
    if (const auto configured = door.configure(); !configured.ok())
        return door.report(configured.error(), kServeStatuses.bad_configuration);
    const auto status = door.run();
    if (status.ok()) return door.end_with(status.value());
    return door.report(status.error(), kServeStatuses.monitor_failed);
}
