#include "monitor/machine/vcpu_threads.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <gtest/gtest.h>
#include <thread>

#include "monitor/kvm/cpu_state.hpp"
#include "monitor/kvm/msr_table.hpp"
#include "monitor/machine/signals.hpp"

namespace {

constexpr uint64_t kRamBytes = uint64_t{16} << 20;
constexpr GuestAddress kEntry{0x10000};
// Counts in EAX, and tells each number: inc eax; out 0x80, al; jmp to the first.
constexpr std::array<uint8_t, 5> kProgram{0x40, 0xe6, 0x80, 0xeb, 0xfb};
constexpr uint32_t kVcpus = 2;  // the second waits to be started

class Counted final : public VcpuAccesses {
public:
    void port_in(uint16_t /*port*/, std::span<std::byte> /*data*/, unsigned /*width*/) override {}
    void port_out(uint16_t /*port*/, std::span<const std::byte> /*data*/,
                  unsigned /*width*/) override {
        count.fetch_add(1);
        count.notify_all();
    }
    void mmio_read(GuestAddress /*at*/, std::span<std::byte> /*data*/) override {}
    void mmio_write(GuestAddress /*at*/, std::span<const std::byte> /*data*/) override {}
    bool has_ended() const override { return false; }

    // Until the guest has told one number more.
    void wait_for_more() const {
        const uint64_t now = count.load();
        count.wait(now);
    }

    std::atomic<uint64_t> count{0};
};

class VcpuThreadsKvm : public testing::Test {
protected:
    void SetUp() override {
        if (!blank_.open().ok()) GTEST_SKIP() << "no VM may be made here";
        struct sigaction kick {};
        kick.sa_handler = [](int) {};
        ::sigaction(vcpu_kick_signal(), &kick, nullptr);
        ASSERT_TRUE(blank_.give_ram(kRamBytes, RamPages::kOrdinary).ok());
        ASSERT_TRUE(blank_.finish().ok());
        mapping_size_ = blank_.kvm().vcpu_mapping_size().value();
        const GuestMemory memory = blank_.ram().memory();
        ASSERT_TRUE(memory.write(kEntry, kProgram).ok());
        ASSERT_TRUE(write_descriptor_tables(memory, EntryMode::kProtected32).ok());
        threads_ = VcpuThreads::start({.blank = blank_,
                                       .accesses = accesses_,
                                       .ending = ending_,
                                       .timeline = timeline_,
                                       .metrics = metrics_,
                                       .first = first_,
                                       .name = "vcpu",
                                       .make = [this](uint32_t id) { return make(id); }},
                                      kVcpus)
                       .value();
        threads_->note_confined();
        threads_->note_confined();
        const auto running = threads_->wait_until_running();
        ASSERT_TRUE(running.ok()) << running.error().what;
        if (first_ == AfterRestore::kRuns) accesses_.wait_for_more();
    }

    void TearDown() override { threads_.reset(); }

    Result<std::vector<VcpuState>> save() { return threads_->save(blank_.vm().xsave_bytes()); }

    AfterRestore first_ = AfterRestore::kRuns;
    Counted accesses_;
    std::unique_ptr<VcpuThreads> threads_;

private:
    Result<Vcpu> make(uint32_t id) {
        UniqueFd fd = id == 0 ? blank_.take_boot_vcpu() : TRY(blank_.vm().create_vcpu(id));
        Vcpu vcpu = TRY(Vcpu::create(std::move(fd), mapping_size_, blank_.ram().memory()));
        if (id == 0)
            TRY(set_entry(vcpu, {.mode = EntryMode::kProtected32,
                                 .entry = kEntry,
                                 .boot_information = GuestAddress{},
                                 .page_tables = GuestAddress{}}));
        return vcpu;
    }

    EndingLatch ending_ = EndingLatch::create().value();
    Timeline timeline_;
    VcpuMetrics metrics_;
    BlankVm blank_{timeline_};
    size_t mapping_size_ = 0;
};

TEST_F(VcpuThreadsKvm, SaveThemselvesWhilePaused) {
    for (int i = 0; i < 3; ++i) {
        threads_->pause();
        const uint64_t told = accesses_.count.load();
        const auto saved = save();
        ASSERT_TRUE(saved.ok()) << saved.error().what;
        ASSERT_EQ(saved.value().size(), kVcpus);
        const VcpuState& boot = saved.value()[0];
        // The access is over: what counts next has been told or is about to be.
        EXPECT_LE(boot.regs.rax - told, 1U);
        EXPECT_EQ(boot.mp_state.mp_state, __u32{KVM_MP_STATE_RUNNABLE});
        EXPECT_EQ(saved.value()[1].mp_state.mp_state, __u32{KVM_MP_STATE_UNINITIALIZED});
        EXPECT_EQ(saved.value()[0].msrs[0].index, msr::kTsc);
        EXPECT_EQ(saved.value()[0].msrs[0].data, saved.value()[1].msrs[0].data);
        const auto again = save();
        ASSERT_TRUE(again.ok());
        EXPECT_EQ(again.value()[0].regs.rax, boot.regs.rax);
        EXPECT_EQ(accesses_.count.load(), told);
        threads_->resume();
        accesses_.wait_for_more();
    }
}

class PausedVcpuThreadsKvm : public VcpuThreadsKvm {
protected:
    PausedVcpuThreadsKvm() { first_ = AfterRestore::kPaused; }
};

TEST_F(PausedVcpuThreadsKvm, RunNothingUntilTheyAreToldTo) {
    threads_->pause();
    EXPECT_EQ(accesses_.count.load(), 0U);
    EXPECT_TRUE(save().ok());
    threads_->resume();
    accesses_.wait_for_more();
}

TEST_F(VcpuThreadsKvm, SaveNothingWhileTheyRun) {
    EXPECT_FALSE(save().ok());
    threads_->pause();
    EXPECT_TRUE(save().ok());
    threads_->resume();
    EXPECT_FALSE(save().ok());
    threads_->stop();
    EXPECT_FALSE(save().ok());
}

TEST_F(VcpuThreadsKvm, MayBeStoppedWhileTheySave) {
    threads_->pause();
    std::thread stopper([this] { threads_->stop(); });
    for (int i = 0; i < 10; ++i) {
        const auto saved = save();
        if (!saved.ok()) continue;
        EXPECT_EQ(saved.value().size(), kVcpus);
    }
    stopper.join();
    EXPECT_FALSE(save().ok());
}

}  // namespace
