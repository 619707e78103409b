// One VM's life in this process, told once for every door: the process is confined, the machine
// made, started, waited for and ended. The steps are in the order in which a door takes them, but
// where one says otherwise. Owned by a door; main thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/event_fd.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/console/terminal.hpp"
#include "monitor/machine/after_restore.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/machine/machine.hpp"
#include "monitor/machine/signals.hpp"
#include "monitor/metrics/observation.hpp"
#include "monitor/process/filter_choice.hpp"
#include "monitor/process/jail_option.hpp"
#include "monitor/process/own_jail.hpp"
#include "monitor/process/status.hpp"
#include "monitor/process/tenancy.hpp"
#include "monitor/sandbox/fault_guard.hpp"
#include "monitor/sandbox/peer_signals.hpp"

// What differs from door to door.
struct LifePlan {
    StatusTable statuses;
    std::optional<Jail> jail{};  // none: no jail
    Tenancy tenancy{};
    FilterChoice filters{};
    const char* trace_path = nullptr;  // nullptr: no trace
    SignalsFor signals = SignalsFor::kVm;
    TerminalUse terminal = TerminalUse::kKeys;
    Changes changes = Changes::kNone;
    std::optional<uint64_t> timeout_ms{};  // none: the guest may take its time
};

class Life {
public:
    // `timeline` outlives it.
    Life(LifePlan plan, Timeline& timeline) : plan_(plan), timeline_(timeline) {}
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;
    ~Life();

    // Before anything is opened: where there is to be a jail, closes what the caller has left open
    // but `kept`. From here on nothing that is written to stdout or stderr has to wait for who
    // reads. Keeps the process apart from others, and chooses the filters. Errors: those of
    // OwnJail::prepare(), keep_apart() and choose_filters().
    Result<> confine(std::vector<int> kept);

    // The file of the trace, if there is to be one. Before enter_jail(). Errors: as open_trace().
    Result<> open_trace_file();

    // From now on signals are read here. Before the machine and any other thread. Errors: as
    // signalfd(2).
    Result<> heed_signals();

    // What a door does as soon as it knows the machine's shape: KVM's part is made beside all that
    // follows, on the thread where `opened_beside` is in the making, or else (nullptr) on one that
    // has ended before the jail's privileges are dropped. What goes wrong over there is told by
    // start(). Errors: ENOMEM.
    Result<> begin(std::unique_ptr<BlankVm> opened_beside, const Config& config);

    // What a door that has time does ahead of create(): a VM with room for all devices; RAM of so
    // many bytes, interrupt controller and boot vCPU. What goes wrong is told by create(), which
    // then begins anew.
    void foresee_any();
    void foresee(uint64_t memory_bytes);

    // Everything up to the guest's first instruction, under the guard. Errors: those of Terminal
    // and Machine; everything is then as before.
    Result<> create(const Config& config, HostFiles& files);

    // What create() makes goes on from there, in place of a boot. Before it, each time.
    void go_on_from(SavedMachine saved) { saved_.emplace(std::move(saved)); }

    // Before or after create(), and when all TAPs are open; nothing where there is to be no jail.
    // Errors: those of OwnJail::enter_root() and drop_privileges(), Machine::complete().
    Result<> enter_jail();

    // For a door whose clients could take this thread over before there is a VM: from here on it
    // does what create() and start() need, by open files. After enter_jail(), and when the threads
    // that need more are there. Errors: as enter_sandbox(), Filters::install().
    Result<> shut_in();

    // The guest runs. Errors: those of Machine::start(); there is no machine then, and create() may
    // be called again.
    Result<> start(AfterRestore first = AfterRestore::kRuns);

    // Until the guest has ended, by itself, by a signal, by its time, or since `hangup_fd` is
    // readable (-1: there is none). `metrics`: whose lines are main's to write; nullptr: nobody's,
    // or another's.
    void wait(int hangup_fd = -1, Observation* metrics = nullptr);

    // What is left to do: the threads' end, the last output, the terminal, the report, the last
    // line of metrics where there is an `observation`, the trace. In limited time where the guest
    // had none left or a signal has come; another signal then ends the process at once. Returns the
    // exit status. Errors: as write_trace().
    Result<int> end(Observation* observation = nullptr);

    // Where a signal has ended the process before there was a VM: the exit status, if it has one.
    int end_by(int signal) const;

    // The same for one that was noted, with its line of the log and a last one of the metrics,
    // whatever the machine's threads do.
    [[noreturn]] static void end_noted(const NotedSignal& noted, Observation& observation);

    // Precondition: confine().
    const Filters& filters() const { return *filters_; }
    // Precondition: heed_signals().
    const EventFd& news() const { return *memory_lost_; }
    const Signals& signals() const { return *signals_; }
    // Precondition: create().
    Machine& machine() { return *machine_; }

private:
    BlankVm& blank();
    void open_kvm();
    Result<> start_machine(AfterRestore first);
    MachineOrigin take_origin(const Config& config, const HostFiles& files);
    Result<> make_machine(const Config& config, HostFiles& files);
    void take_back();
    // Precondition: wait().
    int status() const;

    const LifePlan plan_;
    Timeline& timeline_;
    // Destroyed from the last to the first: the machine before what it uses.
    std::optional<Filters> filters_;
    std::optional<OwnJail> jail_;
    UniqueFd trace_;
    Job job_;
    std::optional<Signals> signals_;
    std::optional<EventFd> memory_lost_;
    std::optional<Result<Kvm>> kvm_;  // none: may be opened when it is needed
    bool is_shut_in_ = false;
    std::unique_ptr<BlankVm> blank_;     // made ahead or beside; none: not yet, or the machine's
    std::optional<SavedMachine> saved_;  // where the next machine goes on; none: it boots
    std::optional<Terminal> terminal_;
    uint64_t deadline_ns_ = UINT64_MAX;     // of the guest's time, since wait()
    StdioKind stdio_ = StdioKind::kSerial;  // the machine's
    std::unique_ptr<Machine> machine_;
    std::optional<FaultGuard> guard_;  // outlives the machine's threads, not its memory
};
