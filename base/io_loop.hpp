// The I/O thread's loop: hands out the engine's completions and lets everybody who shares the
// thread work in turn, so that no device starves another.
//
//     round:  take completions -> every worker does what it can without waiting -> again, if any of
//             that was of use; else poll for a short time, if that has been paying off; else wait
//
// Polling. A wake-up costs the guest a VM exit and the host a switch of threads, 6 us and more. So
// after useful work the loop looks for more for a while before it waits. The while is what has been
// paying off: it doubles when work comes soon after a wait has begun, and halves when it passed in
// vain. An idle VM waits, and with one processor polling would only keep the guest from running:
// there it is off.
//
// The machine creates the loop and fills it; run() is the I/O thread's body, and from then on only
// that thread touches it, save for stop().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/event_fd.hpp"
#include "base/io_engine.hpp"
#include "base/passkey.hpp"
#include "base/result.hpp"

// Who shares the I/O thread: a device, the console. All calls come on that thread.
class IoWorker {
public:
    // "Never", as the time of a deadline.
    static constexpr uint64_t kNever = IoEngine::kForever;

    // Does what can be done without waiting, up to a bounded amount. `now_ns`: the monotonic clock.
    // True if there was something to do.
    virtual bool work(uint64_t now_ns) = 0;

    // The loop is about to wait: ask for the notifications that work() does without. True if there
    // is something to do already; then it will not wait.
    virtual bool before_wait() { return false; }

    // work() is to be called at this time of the monotonic clock even if nothing happens.
    virtual uint64_t deadline_ns() const { return kNever; }

    // The VM is over: start nothing new, and cancel what is in flight.
    virtual void wind_down() {}
    // True while the kernel may still touch memory on this worker's behalf.
    virtual bool is_in_flight() const { return false; }

protected:
    ~IoWorker() = default;
};

enum class IoPolling : uint8_t {
    kNever,
    kAdaptive,
};

// kAdaptive where the process may use more than one processor.
IoPolling polling_for_this_process();

class IoLoop final : private IoTarget {
public:
    using Handler = std::function<void()>;

    // Errors: as eventfd(2) and IoEngine::add_file().
    static Result<std::unique_ptr<IoLoop>> create(std::unique_ptr<IoEngine> engine,
                                                  IoPolling polling);
    IoLoop(Passkey<IoLoop> /*key*/, std::unique_ptr<IoEngine> engine, EventFd stop,
           IoPolling polling)
        : engine_(std::move(engine)), stop_(std::move(stop)), polling_(polling) {}
    ~IoLoop() = default;

    // --- Before start() -------------------------------------------------------------------------

    // For add_file() and add_target(); requests only from within run().
    IoEngine& engine() { return *engine_; }

    // Calls `handler` whenever `event` has been signalled, at least once for signals that come
    // close together. `event` outlives the loop, which alone may drain it. Errors: as
    // IoEngine::add_file().
    Result<> on_event(const EventFd& event, Handler handler);

    // `worker` outlives the loop.
    void add(IoWorker& worker) { workers_.push_back(&worker); }

    // --- I/O thread -----------------------------------------------------------------------------

    // The calling thread becomes the loop's. What it needs of the kernel after this is said at
    // IoEngine::start(). Errors: the engine's.
    Result<> start() { return engine_->start(); }

    // Until stop(); then winds the workers down, for at most kPatienceNs. Errors: the engine's;
    // the devices are dead then. Precondition: start().
    Result<> run();

    // --- Any thread -----------------------------------------------------------------------------

    void stop() const { stop_.signal(); }

private:
    static constexpr uint64_t kMaxWindowNs = 50'000;
    static constexpr uint64_t kMinWindowNs = 4'000;
    static constexpr uint64_t kPatienceNs = 2'000'000'000;

    struct Watch {
        const EventFd* event;
        IoFile file;
        Handler handler;
    };

    void complete(const IoCompletion& completion) override;
    void arm(uint16_t watch);
    bool work(uint64_t now_ns);
    bool before_wait();
    uint64_t deadline_ns() const;
    Result<> wait_for_work(uint64_t now_ns);
    Result<> wind_down();

    std::unique_ptr<IoEngine> engine_;
    EventFd stop_;
    const IoPolling polling_;
    uint16_t target_ = 0;
    std::vector<Watch> watches_;
    std::vector<IoWorker*> workers_;
    uint64_t window_ns_ = 0;  // how long to poll before a wait
    bool is_stopping_ = false;
};
