// Between the API's thread, which is asked for the VM, and main, which makes it: one order and its
// outcome at a time.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <variant>

#include "base/condition_variable.hpp"
#include "base/event_fd.hpp"
#include "base/passkey.hpp"
#include "base/result.hpp"
#include "monitor/api/running_vm.hpp"

struct StartOrder {
    const Config& config;
    HostFiles& files;
    // None: the VM boots. Else it goes on where the last ReadOrder has said.
    std::optional<AfterRestore> restored{};
};

struct ReadOrder {
    SnapshotFiles& snapshot;
};

using Order = std::variant<StartOrder, ReadOrder>;

class StartGate final : public InstanceStarter {
public:
    static Result<std::unique_ptr<StartGate>> create();
    StartGate(Passkey<StartGate> /*key*/, EventFd ordered) : ordered_(std::move(ordered)) {}

    // --- API thread ---------------------------------------------------------------------------

    // Waits for main. Errors: main's; that it is about to end.
    Result<RunningVm*> start(const Config& config, HostFiles& files) override;
    Result<Config> read_snapshot(SnapshotFiles& snapshot) override;
    Result<RunningVm*> restore(const Config& config, HostFiles& files, AfterRestore after) override;
    // Waits for nobody. Main's thread may do it too.
    void foresee(uint64_t memory_bytes) override;

    // --- Main -----------------------------------------------------------------------------------

    // Readable when there is an order, or something is foreseen.
    int fd() const { return ordered_.fd(); }
    std::optional<Order> take();
    // The RAM that is foreseen, where it is news.
    std::optional<uint64_t> take_foreseen_memory();
    // The outcome of the order that was taken: to start, or to read.
    void answer(const Result<RunningVm*>& outcome);
    void answer_reader(Result<Config> outcome);
    // There will be no answer any more, to nobody.
    void close();

private:
    using Outcome = std::variant<Result<RunningVm*>, Result<Config>>;

    // None: there will be no answer.
    std::optional<Outcome> ask(const Order& order);

    EventFd ordered_;
    std::mutex mutex_;  // guards what follows
    ConditionVariable answered_;
    std::optional<Order> order_;
    std::optional<uint64_t> foreseen_memory_;
    bool is_foreseen_anew_ = false;
    std::optional<Outcome> outcome_;
    bool is_closed_ = false;
};
