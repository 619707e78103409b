// A vCPU whose KVM is the fuzz target: it answers the ioctls, and the bytes say how each KVM_RUN
// ends. What a guest decides (ports, addresses, widths, data, instruction bytes) is any; where KVM
// keeps to its own promises, so does this one. Each access reaches the monitor once, as it was
// made, what an IN or a read answers gets back to KVM, gathered writes come before the exit that
// ends the gathering, and a crash says why.
#include <linux/kvm.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <optional>
#include <vector>

#include "base/fuzz_script.hpp"
#include "monitor/kvm/vcpu.hpp"
#include "monitor/memory/layout.hpp"

namespace {

constexpr size_t kPortData = layout::kPageSize;
constexpr size_t kRingPage = 2;
constexpr size_t kMappingBytes = 3 * layout::kPageSize;
constexpr uint16_t kGatheredPort = 0x3f8;
constexpr int kMostRuns = 2000;

// As the monitor heard of it.
struct Access {
    enum class Kind : uint8_t { kIn, kOut, kRead, kWrite } kind{};
    uint64_t at = 0;
    unsigned width = 0;
    std::vector<std::byte> data{};
    bool operator==(const Access&) const = default;
};

// struct kvm_coalesced_mmio_ring, which C++ sees wrongly (ioctl.hpp).
struct GatheredWrites {
    static constexpr uint32_t kEntries =
        (layout::kPageSize - 2 * sizeof(uint32_t)) / sizeof(kvm_coalesced_mmio);
    uint32_t first;
    uint32_t last;
    std::array<kvm_coalesced_mmio, kEntries> entries;
};

class FakeKvm final : public VcpuAccesses {
public:
    explicit FakeKvm(std::span<const uint8_t> data) : script_(data) {
        UniqueFd file(::memfd_create("vcpu", MFD_CLOEXEC));
        check(file && ::ftruncate(file.get(), kMappingBytes) == 0);
        void* const at =
            ::mmap(nullptr, kMappingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        check(at != MAP_FAILED);
        shared_ = {static_cast<std::byte*>(at), kMappingBytes};
        fd_ = file.get();
        vcpu_.emplace(
            Vcpu::create(std::move(file), kMappingBytes, GuestMemory(std::span(ram_))).value());
        if (script_.next() % 2 == 0) {
            check(!vcpu_->drain_coalesced_output(0).ok() && !vcpu_->drain_coalesced_output(3).ok());
            check(vcpu_->drain_coalesced_output(kRingPage).ok());
            gathers_ = true;
        }
    }
    FakeKvm(const FakeKvm&) = delete;
    FakeKvm& operator=(const FakeKvm&) = delete;
    ~FakeKvm() {
        vcpu_.reset();
        ::munmap(shared_.data(), shared_.size());
    }

    void run() {
        while (!script_.is_over() && runs_ < kMostRuns) {
            has_ended_ = false;
            const RunEnd end = vcpu_->run_until_exit(*this);
            check_heard();
            if (end == RunEnd::kCrashed) check_crash();
            if (end == RunEnd::kStopped) {
                check(has_ended_ || run_structure().immediate_exit != 0);
                vcpu_->let_run();
            }
        }
        static_cast<void>(vcpu_->tsc_khz());
        vcpu_->note_pause();
    }

    bool is_of(int fd) const { return fd == fd_; }

    // What ioctl(2) returns: a number, or -errno.
    long answer(unsigned long request, void* argument) {
        switch (request) {
            case KVM_RUN:
                return run_guest();
            case KVM_GET_REGS:
                return fill<kvm_regs>(argument);
            case KVM_GET_SREGS:
                return fill<kvm_sregs>(argument);
            case KVM_TRANSLATE:
                return translate(argument);
            case KVM_GET_TSC_KHZ:
                return script_.next();
            default:
                return -EINVAL;
        }
    }

private:
    kvm_run& run_structure() {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as KVM lays it out.
        return *reinterpret_cast<kvm_run*>(shared_.data());
    }

    template <typename Structure>
    long fill(void* argument) {
        if (script_.next() % 8 == 7) return -EINTR;
        Structure structure{};
        const auto bytes = script_.next_bytes(sizeof(structure));
        std::memcpy(&structure, bytes.data(), bytes.size());
        std::memcpy(argument, &structure, sizeof(structure));
        return 0;
    }

    long translate(void* argument) {
        kvm_translation translation{};
        std::memcpy(&translation, argument, sizeof(translation));
        const uint8_t how = script_.next();
        translation.valid = how % 2;
        // Near the end of RAM, or beyond.
        translation.physical_address = script_.next_word() % (2 * ram_.size());
        std::memcpy(argument, &translation, sizeof(translation));
        return how % 8 == 7 ? -EFAULT : 0;
    }

    // One KVM_RUN: what the guest did until its exit, and that.
    long run_guest() {
        ++runs_;
        check_answer();
        kvm_run& exit = run_structure();
        gather();
        const uint8_t what = script_.next();
        switch (what % 8) {
            case 0:
            case 1:
                return exit_for_port(exit, what);
            case 2:
            case 3:
                return exit_for_mmio(exit, what);
            case 4:
                return exit_for_error(exit);
            case 5: {
                constexpr std::array kErrors = {EAGAIN, EINTR, EFAULT, EINVAL};
                if ((what & 0x80) != 0) vcpu_->stop();
                return -kErrors[what / 8 % 4];
            }
            case 6:
                has_ended_ = (what & 0x80) != 0;
                exit.exit_reason = KVM_EXIT_INTR;
                return 0;
            default:
                exit.exit_reason = script_.next() % 40U;
                // Those have contents of their own.
                if (exit.exit_reason == KVM_EXIT_IO || exit.exit_reason == KVM_EXIT_MMIO)
                    exit.exit_reason = KVM_EXIT_HLT;
                return 0;
        }
    }

    // KVM keeps to a page: size * count bytes at data_offset.
    long exit_for_port(kvm_run& exit, uint8_t what) {
        exit.exit_reason = KVM_EXIT_IO;
        exit.io.direction = (what & 0x10) != 0 ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
        exit.io.size = static_cast<__u8>(1U << what / 32 % 3);
        exit.io.port = script_.next_word();
        const uint32_t most = layout::kPageSize / exit.io.size;
        exit.io.count = (what & 8) != 0 ? 1 + script_.next_word() % most : 1;
        exit.io.data_offset = kPortData;
        const auto data = shared_.subspan(kPortData, size_t{exit.io.size} * exit.io.count);
        const bool is_out = exit.io.direction == KVM_EXIT_IO_OUT;
        if (is_out) std::ranges::fill(data, static_cast<std::byte>(script_.next()));
        expected_.push_back({is_out ? Access::Kind::kOut : Access::Kind::kIn,
                             exit.io.port,
                             exit.io.size,
                             {data.begin(), data.end()}});
        if (!is_out) awaits_ = data;
        return 0;
    }

    long exit_for_mmio(kvm_run& exit, uint8_t what) {
        exit.exit_reason = KVM_EXIT_MMIO;
        exit.mmio.phys_addr = uint64_t{script_.next_word()} << (what / 32 * 6U);
        exit.mmio.len = 1U + script_.next() % 8U;
        exit.mmio.is_write = (what & 0x10) != 0 ? 1 : 0;
        const auto data = std::as_writable_bytes(std::span(exit.mmio.data)).first(exit.mmio.len);
        if (exit.mmio.is_write != 0)
            std::ranges::fill(data, static_cast<std::byte>(script_.next()));
        else
            awaits_ = data;
        expected_.push_back({exit.mmio.is_write != 0 ? Access::Kind::kWrite : Access::Kind::kRead,
                             exit.mmio.phys_addr,
                             exit.mmio.len,
                             {data.begin(), data.end()}});
        return 0;
    }

    // The guest chose the instruction bytes.
    long exit_for_error(kvm_run& exit) {
        exit.exit_reason = KVM_EXIT_INTERNAL_ERROR;
        const auto bytes = script_.next_bytes(1U + script_.next() % 80U);
        std::memcpy(&exit.internal, bytes.data(), bytes.size());
        if (script_.next() % 2 == 0) exit.internal.suberror = script_.next() % 5U;
        return 0;
    }

    // Writes that KVM keeps for later, as many as there is room for.
    void gather() {
        const uint8_t how = script_.next();
        if (how % 4 != 3) return;
        GatheredWrites& ring = gathered();
        for (unsigned left = script_.next(); left > 0; --left) {
            const uint32_t next = (ring.last + 1) % GatheredWrites::kEntries;
            if (next == ring.first) break;
            kvm_coalesced_mmio& entry = ring.entries[ring.last];
            const bool is_other = how >= 0x80 && left % 5 == 0;
            entry.phys_addr = is_other ? kGatheredPort + 1U : kGatheredPort;
            entry.len = 1;
            entry.data[0] = script_.next();
            if (gathers_) expect_gathered(entry);
            std::atomic_ref(ring.last).store(next, std::memory_order_release);
        }
        if (!gathers_) ring.first = ring.last;
    }

    void expect_gathered(const kvm_coalesced_mmio& entry) {
        const std::byte byte{entry.data[0]};
        if (!expected_.empty() && expected_.back().at == entry.phys_addr) {
            expected_.back().data.push_back(byte);
            return;
        }
        expected_.push_back({Access::Kind::kOut, entry.phys_addr, 1, {byte}});
    }

    GatheredWrites& gathered() {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as KVM lays it out.
        return *reinterpret_cast<GatheredWrites*>(&shared_[kRingPage * layout::kPageSize]);
    }

    void check_heard() {
        check(heard_ == expected_);
        heard_.clear();
        expected_.clear();
    }

    // At the next KVM_RUN: the guest gets what the monitor answered.
    void check_answer() {
        for (const std::byte byte : awaits_) check(byte == kAnswer);
        awaits_ = {};
    }

    void check_crash() const {
        const GuestCrash& crash = vcpu_->crash();
        check(crash.reason != nullptr && crash.reason[0] != '\0');
        check(crash.instruction_size <= crash.instruction.size());
    }

    // VcpuAccesses
    void port_in(uint16_t port, std::span<std::byte> data, unsigned width) override {
        answer_in(Access::Kind::kIn, port, data, width);
    }
    void port_out(uint16_t port, std::span<const std::byte> data, unsigned width) override {
        heard_.push_back({Access::Kind::kOut, port, width, {data.begin(), data.end()}});
    }
    void mmio_read(GuestAddress at, std::span<std::byte> data) override {
        answer_in(Access::Kind::kRead, at.value, data, static_cast<unsigned>(data.size()));
    }
    void mmio_write(GuestAddress at, std::span<const std::byte> data) override {
        heard_.push_back({Access::Kind::kWrite,
                          at.value,
                          static_cast<unsigned>(data.size()),
                          {data.begin(), data.end()}});
    }
    bool has_ended() const override { return has_ended_; }

    void answer_in(Access::Kind kind, uint64_t at, std::span<std::byte> data, unsigned width) {
        heard_.push_back({kind, at, width, {data.begin(), data.end()}});
        std::ranges::fill(data, kAnswer);
    }

    static constexpr std::byte kAnswer{0xa5};

    FuzzScript script_;
    std::array<std::byte, 8192> ram_{};
    std::span<std::byte> shared_;
    int fd_ = -1;
    std::optional<Vcpu> vcpu_;
    bool gathers_ = false;
    bool has_ended_ = false;
    int runs_ = 0;
    std::vector<Access> expected_, heard_;
    std::span<std::byte> awaits_;  // what KVM hands to the guest next
};

FakeKvm* kvm = nullptr;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

long system_call(long number, const std::array<long, 6>& arguments) {
    long result = number;
    // NOLINTNEXTLINE(hicpp-no-assembler): the library's own way is what is stood in for.
    asm volatile("mov %4, %%r10\n\tmov %5, %%r8\n\tmov %6, %%r9\n\tsyscall"
                 : "+a"(result)
                 : "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "m"(arguments[3]),
                   "m"(arguments[4]), "m"(arguments[5])
                 : "rcx", "r11", "r10", "r8", "r9", "memory");
    return result;
}

}  // namespace

// In place of the library's: all that is not for the fake KVM goes to the kernel. It takes as many
// arguments as there can be, whatever the caller has given.
extern "C" __attribute__((no_sanitize("address"))) long syscall(long number, ...) noexcept {
    va_list list;
    va_start(list, number);
    std::array<long, 6> arguments{};
    for (long& argument : arguments) argument = va_arg(list, long);
    va_end(list);
    const bool is_for_kvm =
        number == SYS_ioctl && kvm != nullptr && kvm->is_of(static_cast<int>(arguments[0]));
    const long result =
        is_for_kvm
            // NOLINTNEXTLINE(performance-no-int-to-ptr,cppcoreguidelines-pro-type-reinterpret-cast)
            ? kvm->answer(static_cast<unsigned long>(arguments[1]),
                          reinterpret_cast<void*>(arguments[2]))
            : system_call(number, arguments);
    if (result >= 0 || result < -4095) return result;
    errno = static_cast<int>(-result);
    return -1;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    FakeKvm fake({data, size});
    kvm = &fake;
    fake.run();
    kvm = nullptr;
    return 0;
}
