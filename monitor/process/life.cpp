#include "monitor/process/life.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/log.hpp"
#include "base/mapping.hpp"
#include "base/monotonic_clock.hpp"
#include "base/unwaited_write.hpp"
#include "monitor/memory/layout.hpp"
#include "monitor/process/ending_report.hpp"
#include "monitor/process/last_call.hpp"
#include "monitor/process/supervisor.hpp"
#include "monitor/sandbox/sandbox.hpp"

Life::~Life() {
    take_back();
}

// --- Confinement --------------------------------------------------------------------------------

Result<> Life::confine(std::vector<int> kept) {
    if (plan_.jail.has_value())
        jail_ = TRY(OwnJail::prepare(plan_.jail->ids, std::move(kept), plan_.signals));
    make_own(STDOUT_FILENO);
    set_log_way(make_own(STDERR_FILENO));
    TRY(keep_apart(plan_.tenancy));
    filters_ = TRY(choose_filters(plan_.filters));
    return Ok{};
}

Result<> Life::open_trace_file() {
    if (plan_.trace_path != nullptr) trace_ = TRY(open_trace(plan_.trace_path));
    return Ok{};
}

Result<> Life::heed_signals() {
    job_ = {.group = ::getpgrp(), .keeper = jail_.has_value() ? jail_->keeper() : -1};
    signals_ = TRY(Signals::create(plan_.signals, job_.keeper));
    memory_lost_ = TRY(EventFd::create());
    const bool is_peer = plan_.statuses.takes_signals_as_peer;
    // The first process of a namespace is not ended by a default.
    const bool keeps_defaults = is_peer && ::getpid() != 1;
    prepare_last_call(*signals_, keeps_defaults ? Defaults::kKept : Defaults::kReplaced);
    if (is_peer) note_signals_as_peer(*memory_lost_);
    return Ok{};
}

Result<> Life::enter_jail() {
    if (!jail_.has_value()) return Ok{};
    if (machine_ == nullptr) {  // /dev/kvm is not in there
        open_kvm();
        TRY(blank().open());
    }
    TRY(jail_->enter_root());
    // A thread that makes KVM's part has gone before: each has its own privileges.
    if (machine_ != nullptr) TRY(machine_->complete());
    return jail_->drop_privileges();
}

// --- The machine --------------------------------------------------------------------------------

BlankVm& Life::blank() {
    if (blank_ == nullptr) blank_ = std::make_unique<BlankVm>(timeline_, nullptr, &kvm_);
    return *blank_;
}

// What comes of it is told by who needs it.
void Life::open_kvm() {
    if (!kvm_.has_value()) kvm_.emplace(Kvm::open());
}

Result<> Life::shut_in() {
    open_kvm();
    TRY(leave_no_core());
    TRY(enter_sandbox());
    is_shut_in_ = true;
    return filters_->install(ThreadRole::kSetup);
}

Result<> Life::begin(std::unique_ptr<BlankVm> opened_beside, const Config& config) {
    blank_ = std::move(opened_beside);
    blank();
    TRY(blank_->give_room(config.shape.device_count()));
    TRY(blank_->give_ram(config.shape.memory_bytes, config.host.ram_pages));
    blank_->give_pmu(config.shape.extras.pmu);
    blank_->finish_beside();
    return Ok{};
}

void Life::foresee_any() {
    if (!blank().open().ok() || !blank().give_room(layout::kMaxVirtioDevices).ok()) blank_.reset();
}

void Life::foresee(uint64_t memory_bytes) {
    if (blank_ == nullptr) foresee_any();
    if (blank_ == nullptr) return;
    if (!blank_->give_ram(memory_bytes, RamPages::kOrdinary).ok() || !blank_->finish().ok())
        blank_.reset();
}

Result<> Life::create(const Config& config, HostFiles& files) {
    const Result<> made = make_machine(config, files);
    if (!made.ok()) take_back();
    return made;
}

MachineOrigin Life::take_origin(const Config& config, const HostFiles& files) {
    if (saved_.has_value()) {
        SavedMachine saved = std::move(*saved_);
        saved_.reset();
        return saved;
    }
    return BootOrigin{.images = files.images(),
                      .initrd_appended = config.boot.initrd_appended,
                      .pages = config.host.tenancy.pages};
}

Result<> Life::make_machine(const Config& config, HostFiles& files) {
    blank();
    terminal_.emplace(Terminal::create(plan_.terminal, job_));
    const auto keys = terminal_->has_keys() ? EscapeKeys::kEnabled : EscapeKeys::kDisabled;
    stdio_ = config.shape.stdio;
    machine_ = TRY(Machine::create(std::move(blank_), config.shape,
                                   {.config = config.host,
                                    .files = files,
                                    .keys = keys,
                                    .changes = plan_.changes,
                                    .timeline = timeline_},
                                   take_origin(config, files)));
    for (const GuestMemory::Region& region : machine_->ram_regions())
        leave_out_of_dumps(region.host);
    guard_.emplace(machine_->ram_regions(), *memory_lost_, *terminal_);
    return Ok{};
}

Result<> Life::start(AfterRestore first) {
    set_log_patience(LogPatience::kNone);
    const Result<> started = start_machine(first);
    if (!started.ok()) take_back();
    return started;
}

Result<> Life::start_machine(AfterRestore first) {
    if (!is_shut_in_) {
        // What is not in the making elsewhere is made here, while /dev/kvm may be opened.
        if (!machine_->is_made_beside()) TRY(machine_->complete());
        TRY(leave_no_core());
        TRY(enter_sandbox());
    }
    timeline_.mark(Stage::kSandbox);
    TRY(machine_->start(*filters_, first));
    kvm_.reset();
    return Ok{};
}

void Life::take_back() {
    if (machine_ != nullptr) machine_->stop();  // the guard outlives the threads that did start
    set_log_patience(LogPatience::kSome);
    guard_.reset();
    machine_.reset();
    terminal_.reset();
}

// --- Its end ------------------------------------------------------------------------------------

namespace {

uint64_t deadline(const std::optional<uint64_t>& timeout_ms) {
    // Past this many, clocks would wrap around.
    constexpr uint64_t kMostMs = 1ULL << 40;
    if (!timeout_ms.has_value() || *timeout_ms > kMostMs) return UINT64_MAX;
    return monotonic_ns() + *timeout_ms * 1'000'000;
}

// It is not the guest that has come to an end by itself.
bool is_told_to_end(const Ending& ending) {
    return ending.cause == Ending::Cause::kTimeout || ending.cause == Ending::Cause::kSignal ||
           ending.cause == Ending::Cause::kHungUp || ending.cause == Ending::Cause::kUser;
}

}  // namespace

void Life::wait(int hangup_fd, Observation* metrics) {
    deadline_ns_ = deadline(plan_.timeout_ms);
    // Whatever holds up main itself.
    limit_end_of_process(status_of({.cause = Ending::Cause::kTimeout}, stdio_, plan_.statuses),
                         deadline_ns_);
    wait_for_end({.machine = *machine_,
                  .signals = *signals_,
                  .memory_lost = *memory_lost_,
                  .terminal = *terminal_,
                  .end_ns = deadline_ns_,
                  .hangup_fd = hangup_fd,
                  .metrics = metrics});
    timeline_.mark(Stage::kExit);
    const Ending& ending = machine_->ending().ending();
    if (is_told_to_end(ending)) {
        deadline_ns_ = std::min(deadline_ns_, monotonic_ns());
        let_signals_end_process(*signals_, status());
    }
    limit_end_of_process(status(), deadline_ns_);
}

int Life::status() const {
    return status_of(machine_->ending().ending(), stdio_, plan_.statuses);
}

int Life::end_by(int signal) const {
    const int status = kStatusSignalBase + signal;
    if (!plan_.statuses.takes_signals_as_peer) return status;
    if (const std::optional<int> its_own = peer_status_of(signal)) {
        log_signal({.number = signal});
        return *its_own;
    }
    let_signals_end_process(*signals_, status);
    signals_->end_process(signal);
    return status;
}

void Life::end_noted(const NotedSignal& noted, Observation& observation) {
    log_signal(noted);
    count_signal(noted.number, observation.metrics());
    static_cast<void>(observation.flush_metrics());
    exit_from_handler(peer_status_of(noted.number).value_or(kStatusSignalBase + noted.number));
}

Result<int> Life::end(Observation* observation) {
    if (observation != nullptr)
        if (const auto noted = noted_signal()) end_noted(*noted, *observation);
    const Ending& ending = machine_->ending().ending();
    machine_->stop();
    set_log_patience(LogPatience::kSome);
    machine_->stdio().drain(signals_->fd(), DrainLimit(deadline_ns_));
    terminal_->restore();
    // Where the guest had ended by itself, the first signal ends the wait for the reader, no more.
    signals_->take();
    let_signals_end_process(*signals_, status());
    report_ending(ending, stdio_, plan_.timeout_ms.value_or(0), machine_->stdio());
    if (observation != nullptr) {
        count_ending(ending, *memory_lost_, observation->metrics());
        // Where they go may be gone; who reads them is not who waits for this process.
        static_cast<void>(observation->flush_metrics());
    }
    log_lost_lines();
    if (trace_) TRY(timeline_.write_trace(trace_.get()));
    const int lost =
        machine_->stdio().output_error() != 0 && status() == 0 ? plan_.statuses.output_lost : 0;
    const int last = lost != 0 ? lost : status();
    const bool is_by_signal = ending.cause == Ending::Cause::kSignal;
    const int signal = is_by_signal ? ending.status : 0;
    leave_to_the_kernel(std::move(machine_));
    return is_by_signal ? end_by(signal) : last;
}
