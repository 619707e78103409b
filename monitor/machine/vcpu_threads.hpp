// The VM's vCPUs, each on a thread of its own from its creation to its end: KVM wants a vCPU's
// ioctls from the thread that made it (Documentation/virt/kvm/api.rst §2).
//
// Each thread creates its vCPU and sets it up; when all are ready, they run the guest. Owned by the
// machine; its functions are main's.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/condition_variable.hpp"
#include "base/passkey.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "monitor/kvm/vcpu.hpp"
#include "monitor/kvm/vcpu_state.hpp"
#include "monitor/machine/after_restore.hpp"
#include "monitor/machine/blank_vm.hpp"
#include "monitor/machine/ending.hpp"
#include "monitor/metrics/groups.hpp"
#include "monitor/metrics/timeline.hpp"

class VcpuThreads {
public:
    // What the threads need of the machine; all of it outlives them.
    struct Surroundings {
        BlankVm& blank;  // whose thread may become the boot vCPU's
        VcpuAccesses& accesses;
        EndingLatch& ending;
        Timeline& timeline;
        VcpuMetrics& metrics;
        AfterRestore first = AfterRestore::kRuns;
        std::string_view name;  // of the threads, before the number; at most 8 characters
        // A vCPU in the state in which it runs first. On its thread, for several at once.
        std::function<Result<Vcpu>(uint32_t id)> make;
    };

    // Starts `count` threads. Errors: EAGAIN where no more may be had.
    static Result<std::unique_ptr<VcpuThreads>> start(Surroundings surroundings, uint32_t count);

    VcpuThreads(Passkey<VcpuThreads> key, Surroundings surroundings, uint32_t count);
    VcpuThreads(const VcpuThreads&) = delete;
    VcpuThreads& operator=(const VcpuThreads&) = delete;
    ~VcpuThreads() { stop(); }

    // Returns when each vCPU is in the state in which it runs first. Errors: as the next.
    Result<> wait_until_ready();

    // Returns when all but main are under their filters. Errors: those of making a vCPU ready, and
    // what was given up for.
    Result<> wait_for_all_but_main();

    // The guest runs when the vCPUs are ready and this was called for each thread beside them that
    // it could reach, which are main and the I/O thread: that one is under its filter. Such a
    // thread itself.
    void note_confined();
    // Such a thread cannot be; the guest never runs.
    void give_up(const Error& error);

    // Returns when they run the guest and its first VM exit to the monitor is over, or it has had
    // a head start: what the caller does next would hold it up where processors are few. Errors:
    // those of wait_for_all_but_main(); none runs then.
    Result<> wait_until_running();

    // No guest instruction runs from its return on until resume(). Idempotent, like that. Not at
    // the same time as stop().
    void pause();
    void resume();

    // What each vCPU is now, by its id; its own thread reads it, of the role kVcpuSaved.
    // `xsave_bytes`: as Vm::xsave_bytes(). Of the thread of pause() and resume(). Precondition:
    // paused. Errors: those of save_vcpu(); a vCPU that has ended.
    Result<std::vector<VcpuState>> save(size_t xsave_bytes);

    // Ends all threads: afterwards no guest instruction runs. Idempotent.
    void stop();

private:
    // A thread's body.
    void live(uint32_t id);
    Result<> make_ready(uint32_t id);
    // Until the guest may run. False if it never may.
    bool wait_for_others();
    bool may_run() const { return not_ready_ == 0 && not_confined_ == 0; }
    void note_exit();
    void run(uint32_t id);
    // Waits out a pause, in which it may have to save itself. False if the vCPU was stopped for
    // another reason.
    bool wait_for_resume(uint32_t id);
    // With the lock, which it gives up meanwhile.
    void save_one(uint32_t id, std::unique_lock<std::mutex>& lock);
    void note_end();

    static constexpr std::chrono::milliseconds kHeadStart{1};

    // As a thread's may be, with the zero byte.
    using Name = std::array<char, 16>;

    Surroundings surroundings_;
    std::vector<Name> names_;
    std::mutex mutex_;                        // guards what follows, up to the threads
    ConditionVariable ready_;                 // vCPUs wait for each other, and for the others
    ConditionVariable running_;               // main waits for the guest
    std::vector<std::optional<Vcpu>> vcpus_;  // each of its thread; others only tell it to stop
    uint32_t not_ready_;
    uint32_t not_confined_ = 2;  // main, and the I/O thread
    std::optional<Error> error_{};
    bool has_exited_ = false;
    bool is_stopped_ = false;
    ConditionVariable pause_changed_;  // vCPUs wait for resume(), pause() for them
    bool is_paused_ = false;
    uint32_t paused_ = 0;  // vCPUs that wait for resume()
    uint32_t alive_ = 0;   // vCPUs that have begun to run and have not ended
    // Where paused vCPUs are to save themselves, by their ids; a vCPU that has done it has none.
    std::vector<VcpuState*> save_to_;
    uint32_t not_saved_ = 0;
    std::optional<Error> save_error_{};

    std::vector<Thread> threads_;  // of main
};
