// A machine's devices as they are at work: a drive on a file of memory, a NIC on a socket pair in
// place of a TAP, either engine, and the loop on a thread of its own. The bytes are what a vCPU
// does to register windows and rings, the host to the TAP's other end, the API to the drive; and a
// second vCPU scribbles over RAM meanwhile, wherever the script says. The VM is paused too, and its
// devices are saved. Whatever has happened: a driver that resets the devices afterwards is served,
// the loop ends when it is told to, and nothing is in flight then.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/fuzz_script.hpp"
#include "base/log.hpp"
#include "base/monotonic_clock.hpp"
#include "base/plain_engine.hpp"
#include "base/ring.hpp"
#include "base/thread.hpp"
#include "monitor/machine/device_updates.hpp"
#include "monitor/machine/fake_vcpus.hpp"
#include "monitor/machine/virtio_devices.hpp"
#include "monitor/memory/layout.hpp"

namespace {

using R = MmioRegister;

constexpr size_t kRam = 1 << 15;
constexpr uint16_t kSize = WindowDriver::kSize;
constexpr size_t kDiskBytes = 1 << 15;
constexpr uint32_t kFrameBytes = 1514;
constexpr uint64_t kPatienceNs = WindowDriver::kPatienceNs;

UniqueFd file_of_memory(size_t bytes) {
    UniqueFd file(::memfd_create("disk", MFD_CLOEXEC));
    check(file && ::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0);
    return file;
}

std::string path_of(const UniqueFd& file) {
    return "/proc/self/fd/" + std::to_string(file.get());
}

std::unique_ptr<IoEngine> create_engine(bool is_ring) {
    // A host without io_uring has the other engine alone.
    if (is_ring)
        if (auto ring = Ring::create(8, RingFiles::kReplaceable); ring.ok())
            return std::move(ring).value();
    return PlainEngine::create();
}

class Script {
public:
    explicit Script(std::span<const uint8_t> data) : script_(data) {
        const uint8_t how = script_.next();
        loop_ = IoLoop::create(create_engine(how % 2 == 0),
                               how % 4 < 2 ? IoPolling::kAdaptive : IoPolling::kNever)
                    .value();
        std::array<int, 2> ends{};
        check(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) ==
              0);
        far_ = UniqueFd(ends[1]);
        DeviceFiles files;
        files.disks.push_back(
            Disk::open(path_of(disks_[0]).c_str(), DiskAccess::kReadWrite).value());
        files.taps.push_back(Tap::of(UniqueFd(ends[0]), kFrameBytes));
        check(devices_
                  .add_all({.drives = {{.id = "drive"}}, .nics = {{.id = "nic"}}},
                           {.drives = {{}}, .nics = {{}}}, std::move(files), windows_, wiring_,
                           ram_.memory(), *loop_)
                  .ok());
        updates_.emplace(DeviceUpdates::create(devices_, *loop_).value());
        drive_.emplace(devices_, 0, ram_);
        nic_.emplace(devices_, 1, ram_);
    }

    void run() {
        Result<> ended = Ok{};
        {
            std::optional<Thread> io(Thread::start("io", [&] {
                                         check(loop_->start().ok());
                                         ended = loop_->run();
                                     }).value());
            {
                Scribbler scribbler(ram_);
                start_all(~uint64_t{0});
                while (!script_.is_over()) step(script_.next(), scribbler);
            }
            serve_a_good_driver();
            loop_->stop();
        }
        check(ended.ok());
        check(!devices_.blocks()[0]->is_in_flight() && !devices_.nets()[0]->is_in_flight());
    }

private:
    void start_all(uint64_t features) {
        drive_->reset();
        nic_->reset();
        ram_.clear();
        wild_ = ram_.allocate(8192);
        drive_->start(features, 1);
        nic_->start(features, 2);
    }

    WindowDriver& some_driver() { return script_.next() % 2 == 0 ? *drive_ : *nic_; }

    void step(uint8_t what, Scribbler& scribbler) {
        switch (what % 16) {
            case 0:
            case 1:
            case 2:
                return ask_the_drive();
            case 3:
                return nic_->offer(VIRTIO_NET_TRANSMITQ, {{wild_, 1U + script_.next()},
                                                          {wild_ + 512, 1U + script_.next() * 8U}});
            case 4:
                return nic_->offer(VIRTIO_NET_RECEIVEQ,
                                   {{wild_ + 2048, 1600, Access::kWritable},
                                    {wild_ + 4096, 1U + script_.next(), Access::kWritable}});
            case 5:
                return send_a_frame();
            case 6:
                return receive_frames();
            case 7:
                return offer_a_wild_one();
            case 8:
                return scribble(scribbler);
            case 9:
                return write_a_register();
            case 10:
                return access_anything(what);
            case 11:
                return start_all(next_features());
            case 12:
                return change_the_drive(what);
            case 13:
                return limit();
            case 14:
                return pause();
            default:
                for (int i = what / 16; i > 0; --i) std::this_thread::yield();
        }
    }

    uint64_t next_features() {
        const uint64_t low = script_.next_number();
        return low | uint64_t{script_.next()} << 28;
    }

    void ask_the_drive() {
        constexpr std::array kTypes = {VIRTIO_BLK_T_IN,     VIRTIO_BLK_T_OUT,
                                       VIRTIO_BLK_T_FLUSH,  VIRTIO_BLK_T_DISCARD,
                                       VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_WRITE_ZEROES};
        const uint32_t type = kTypes[script_.next() % kTypes.size()];
        const uint8_t sector = script_.next() % 72;
        const uint32_t sectors = script_.next() % 9U;
        collect();
        lay_out(type, sector, sectors);
    }

    // As far as a used ring that somebody has scribbled on is to be believed.
    void collect() {
        if (!drive_->has(0)) return;
        try {
            while (drive_->queue(0).take_used().has_value()) continue;
        } catch (const std::exception&) {
            return;
        }
    }

    void lay_out(uint32_t type, uint64_t sector, uint32_t sectors) {
        const GuestAddress at = wild_ + 7168 + 64 * (requests_++ % 16);
        ram_.store(at, virtio_blk_req_header{type, 0, sector});
        const bool erases = type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;
        if (erases) ram_.store(at + 16, virtio_blk_discard_write_zeroes{sector, sectors, 0});
        const Access access = type == VIRTIO_BLK_T_OUT ? Access::kReadable : Access::kWritable;
        const Piece status{at + 40, 1, Access::kWritable};
        if (erases || sectors == 0 || type == VIRTIO_BLK_T_FLUSH)
            return drive_->offer(0, {{at, erases ? 32U : 16U}, status});
        drive_->offer(0, {{at, 16}, {wild_, 512 * sectors, access}, status});
    }

    void send_a_frame() {
        std::array<std::byte, 2048> frame{};
        static_cast<void>(::send(far_.get(), frame.data(), script_.next() * 8U, MSG_NOSIGNAL));
    }
    void receive_frames() {
        std::array<std::byte, 4096> frame{};
        while (::recv(far_.get(), frame.data(), frame.size(), 0) > 0) continue;
    }

    void offer_a_wild_one() {
        WindowDriver& driver = some_driver();
        const size_t index = script_.next() % 2;
        if (!driver.has(index)) return;
        FakeQueue& queue = driver.queue(index);
        for (int i = 0; i < 2; ++i) {
            const auto which = static_cast<uint16_t>(script_.next() % kSize);
            queue.set_desc(which, {script_.next_word(), script_.next_word(),
                                   static_cast<uint16_t>(script_.next() % 8U),
                                   static_cast<uint16_t>(script_.next() % (kSize + 1U))});
        }
        queue.offer_raw(static_cast<uint16_t>(script_.next() % (kSize + 1U)));
        driver.write(R::QueueNotify, static_cast<uint32_t>(index));
    }

    // On a queue's rings, its descriptors, or anywhere.
    void scribble(Scribbler& scribbler) {
        const uint8_t where = script_.next();
        WindowDriver& driver = where % 2 == 0 ? *drive_ : *nic_;
        const size_t index = where / 2 % 2;
        const uint16_t below = script_.next() == 0 ? 0xffff : script_.next();
        if (!driver.has(index) || where >= 0xc0)
            return scribbler.write_to(0, where % 4 == 0 ? 0 : kRam - 2, below);
        const VirtqueueLayout& layout = driver.queue(index).layout();
        const std::array<GuestAddress, 3> parts{layout.desc, layout.driver, layout.device};
        const size_t part = where / 4 % parts.size();
        constexpr std::array<uint16_t, 3> kLengths{16 * kSize, 6 + 2 * kSize, 6 + 8 * kSize};
        scribbler.write_to(static_cast<uint16_t>(parts[part].value), kLengths[part], below);
    }

    void write_a_register() {
        constexpr std::array kRegisters = {R::Status,       R::QueueSel,      R::QueueNum,
                                           R::QueueReady,   R::QueueNotify,   R::QueueReset,
                                           R::QueueDescLow, R::QueueDescHigh, R::QueueDeviceLow,
                                           R::InterruptACK, R::DriverFeatures};
        const WindowDriver& driver = some_driver();
        driver.write(kRegisters[script_.next() % kRegisters.size()], script_.next_number());
    }

    // As KVM reports an access: 1 to 8 bytes, anywhere.
    void access_anything(uint8_t what) {
        const GuestAddress at{layout::kVirtioMmio.value - 64 + script_.next_word()};
        std::array<std::byte, 8> data{};
        const size_t size = 1 + script_.next() % 8U;
        const auto bytes = std::span(data).first(size);
        const bool answers = what >= 0x80 ? devices_.read(at, bytes) : devices_.write(at, bytes);
        const bool is_one_of_two =
            at.value >= layout::kVirtioMmio.value &&
            at.value < layout::kVirtioMmio.value + 2 * layout::kVirtioMmioSize;
        check(answers == is_one_of_two);
    }

    // The API: another file, or the same at another size.
    void change_the_drive(uint8_t what) {
        const size_t which = what / 16 % 2;
        check(::ftruncate(disks_[which].get(), static_cast<off_t>(512 + script_.next() * 512)) ==
              0);
        static_cast<void>(updates_->change_drive(0, path_of(disks_[which])));
    }

    void limit() {
        const RateLimiterConfig limits{.bandwidth = {script_.next() * 4096U, 0, 1000}, .ops = {}};
        if (script_.next() % 2 == 0)
            check(updates_->limit_drive(0, limits).ok());
        else
            check(updates_->limit_nic(0, limits, limits).ok());
    }

    // Whatever a driver has made of the devices: while they stand still they are saved, and others
    // are made of that.
    void pause() {
        check(updates_->hold().ok());
        const auto saved = updates_->save();
        check(saved.ok());
        DeviceFiles files;
        files.disks.push_back(Disk::open(path_of(disks_[0]).c_str(), DiskAccess::kReadWrite,
                                         Patience::kNone, DiskSharing::kWarned)
                                  .value());
        files.taps.push_back(
            Tap::of(UniqueFd(::fcntl(far_.get(), F_DUPFD_CLOEXEC, 0)), kFrameBytes));
        std::array<FakeWindow, 2> pages{};
        Wiring wiring;
        VirtioDevices others;
        const auto loop = IoLoop::create(PlainEngine::create(), IoPolling::kNever).value();
        check(others
                  .add_all({.drives = {{.id = "drive"}}, .nics = {{.id = "nic"}}},
                           {.drives = {{}}, .nics = {{}}}, std::move(files),
                           {pages[0].bytes.data(), sizeof(pages)}, wiring, ram_.memory(), *loop,
                           saved.value())
                  .ok());
        check(updates_->go_on().ok());
    }

    // What comes true in the end.
    template <typename Holds>
    static void await(Holds holds) {
        for (const uint64_t give_up_ns = monotonic_ns() + kPatienceNs; !holds();) {
            check(monotonic_ns() < give_up_ns);
            std::this_thread::yield();
        }
    }
    void reset_all() {
        drive_->reset();
        nic_->reset();
        await([&] { return drive_->read(R::Status) == 0 && nic_->read(R::Status) == 0; });
    }

    void serve_a_good_driver() {
        receive_frames();
        check(updates_->limit_drive(0, {}).ok() && updates_->limit_nic(0, {}, {}).ok());
        reset_all();
        receive_frames();
        for (const UniqueFd& disk : disks_) check(::ftruncate(disk.get(), kDiskBytes) == 0);
        await([&] { return updates_->change_drive(0, path_of(disks_[0])).ok(); });
        start_all(~uint64_t{0});
        for (const uint32_t type : {VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_IN}) {
            ram_.store(wild_ + 508, type == VIRTIO_BLK_T_OUT ? uint32_t{0x600d} : 0);
            lay_out(type, 3, 1);
            drive_->await_used(0);
        }
        check(ram_.load<uint32_t>(wild_ + 508) == 0x600d);
        nic_->offer(VIRTIO_NET_TRANSMITQ, {{wild_, 12}, {wild_ + 512, 100}});
        nic_->await_used(VIRTIO_NET_TRANSMITQ);
        std::array<std::byte, 256> frame{};
        check(::recv(far_.get(), frame.data(), frame.size(), 0) == 112);
        reset_all();
    }

    FuzzScript script_;
    FakeRam ram_{kRam};
    std::array<FakeWindow, 2> pages_{};
    std::span<std::byte> windows_{pages_[0].bytes.data(), sizeof(pages_)};
    std::array<UniqueFd, 2> disks_{file_of_memory(kDiskBytes), file_of_memory(kDiskBytes)};
    UniqueFd far_;
    Wiring wiring_;
    VirtioDevices devices_;
    // Before the devices: an engine's requests name their memory.
    std::unique_ptr<IoLoop> loop_;
    std::optional<DeviceUpdates> updates_;
    std::optional<WindowDriver> drive_, nic_;
    GuestAddress wild_{};
    size_t requests_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const LogSettings quiet{.level = LogLevel::kOff};  // devices of each input complain
    set_log(quiet);
    Script({data, size}).run();
    return 0;
}
