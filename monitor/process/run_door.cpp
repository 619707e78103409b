#include "monitor/process/run_door.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "base/lent_thread.hpp"
#include "base/log.hpp"
#include "base/thread.hpp"
#include "base/unique_fd.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/machine/signals.hpp"
#include "monitor/process/help.hpp"
#include "monitor/process/life.hpp"
#include "monitor/process/own_network.hpp"
#include "monitor/process/run_options.hpp"

namespace {

// What the process opened or was given before it closes everything else for its jail.
std::vector<int> kept_files(const Config& config, const Holder& network,
                            const std::optional<SavedMachine>& saved) {
    std::vector<int> kept = network.descriptors();
    if (saved.has_value()) kept.push_back(saved->memory.get());
    for (const NicHost& nic : config.host.nics)
        if (nic.fd.has_value()) kept.push_back(*nic.fd);
    return kept;
}

// A program that has pipes, or stdin as it is, reads no keys.
TerminalUse terminal_use(const RunOptions& options) {
    const bool is_for_pipes =
        options.config.shape.stdio == StdioKind::kChannel &&
        (!options.image.has_value() || options.image->terminal == TerminalWanted::kNo);
    return is_for_pipes ? TerminalUse::kNone : TerminalUse::kKeys;
}

LifePlan plan_of(const RunOptions& options) {
    const bool has_channel = options.config.shape.stdio == StdioKind::kChannel;
    return {.statuses = kRunStatuses,
            .jail = options.jail,
            .tenancy = options.config.host.tenancy,
            .filters = options.filters,
            .trace_path = options.trace_path,
            .signals = has_channel ? SignalsFor::kProgram : SignalsFor::kVm,
            .terminal = terminal_use(options),
            .timeout_ms = options.timeout_ms};
}

// A thread that is there before would not be in the jail; help needs no VM.
bool may_ask_kvm_at_once(std::span<const char* const> arguments) {
    return std::ranges::none_of(arguments, [](std::string_view word) {
        return word.starts_with("--jail") || word == "--help" || word == "-h" || word == "help";
    });
}

Result<SavedMachine> read_snapshot(const RestoreOptions& restore) {
    SnapshotFiles files = TRY(SnapshotFiles::open(restore.state_path, restore.memory_path));
    auto saved = SavedMachine::read(files);
    if (saved.ok() || !files.has_other_memory() || !files.open_other_memory().ok()) return saved;
    return SavedMachine::read(files);
}

// `given` is what the command line says; drives and NICs of it take those of `saved`'s places.
Result<> take_shape_of(const SavedMachine& saved, Config& given) {
    Config config = saved.config();
    if (given.shape.drives.size() > config.shape.drives.size())
        return Error{"--disk", 0, "is one more than the snapshot has", config.shape.drives.size()};
    if (given.shape.nics.size() > config.shape.nics.size())
        return Error{"--net", 0, "is one more than the snapshot has", config.shape.nics.size()};
    for (size_t i = 0; i < given.shape.drives.size(); ++i) {
        if (given.shape.drives[i].access != config.shape.drives[i].access)
            return Error{"--disk", 0, "is to be written by a guest that only reads, or the reverse"}
                .about(given.host.drives[i].path);
        config.host.drives[i].path = given.host.drives[i].path;
    }
    for (size_t i = 0; i < given.shape.nics.size(); ++i) {
        if (given.host.nics[i].auto_range.has_value())
            return Error{"--net auto", 0, "is for a guest that boots; give a tap= or fd="};
        config.host.nics[i].tap = given.host.nics[i].tap;
        config.host.nics[i].fd = given.host.nics[i].fd;
    }
    given.shape = std::move(config.shape);
    given.host.drives = std::move(config.host.drives);
    given.host.nics = std::move(config.host.nics);
    return Ok{};
}

// Everything that the command line names is opened before the jail is entered.
Result<int> run(RunOptions& options, std::unique_ptr<BlankVm> blank, Timeline& timeline) {
    Config& config = options.config;
    if (options.image.has_value()) TRY(apply(*options.image, config));
    std::optional<SavedMachine> saved;
    if (options.restore.has_value()) {
        saved.emplace(TRY(read_snapshot(*options.restore)));
        TRY(take_shape_of(*saved, config));
    }
    TRY(validate(config, kFlagNames));
    Holder network = TRY(make_own_network(config));

    Life life(plan_of(options), timeline);
    TRY(life.confine(kept_files(config, network, saved)));
    TRY(life.heed_signals());
    TRY(life.begin(std::move(blank), config));
    HostFiles files;
    TRY(files.open_missing(config, kFlagNames));
    timeline.mark(Stage::kOptions);
    if (saved.has_value()) life.go_on_from(std::move(*saved));
    TRY(life.create(config, files));
    TRY(life.open_trace_file());
    TRY(life.enter_jail());
    TRY(std::move(network).start());
    TRY(life.start());
    life.wait();
    return life.end();
}

int run_by_words(std::span<const char* const> arguments, std::unique_ptr<BlankVm> blank,
                 Timeline& timeline) {
    auto options = RunOptions::parse(arguments);
    if (!options.ok()) {
        log_error(options.error());
        return kRunStatuses.bad_arguments;
    }
    if (options.value().asked != Asked::kNothing) return answer(options.value().asked, "run");
    const auto status = run(options.value(), std::move(blank), timeline);
    if (status.ok()) return status.value();
    log_error(status.error());
    return kRunStatuses.monitor_failed;
}

}  // namespace

// KVM takes most of a start, and asks for little: this thread goes to it before a word of the
// command line is understood, and then runs the guest. All else is another's, which is main from
// here on and ends the process.
int run_door(std::span<const char* const> arguments, Timeline& timeline) {
    if (!may_ask_kvm_at_once(arguments)) return run_by_words(arguments, nullptr, timeline);
    LentThread kvm_thread;
    auto blank = std::make_unique<BlankVm>(timeline, &kvm_thread);
    blank->open_beside();
    // A signal is main's, from the first on.
    sigset_t inherited;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &inherited);
    block_all_signals();
    auto others = Thread::start("main", [&] {
        ::pthread_sigmask(SIG_SETMASK, &inherited, nullptr);
        const int status = run_by_words(arguments, std::move(blank), timeline);
        std::exit(status);  // NOLINT(concurrency-mt-unsafe): the first thread has nothing to do
    });
    if (!others.ok()) {
        ::pthread_sigmask(SIG_SETMASK, &inherited, nullptr);
        kvm_thread.forget();
        return run_by_words(arguments, nullptr, timeline);
    }
    others.value().move_elsewhere();
    Thread::name_caller("vcpu0");
    timeline.mark(Stage::kThread);
    kvm_thread.serve();
}
