// virtio-block with any driver and any disk: see virtio/device_script.hpp. Each good request has
// its status byte written once, before it is used, and never after.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "virtio/block.hpp"
#include "virtio/device_script.hpp"

namespace {

constexpr size_t kFileBytes = 1 << 16;
constexpr uint8_t kUntouched = 0xee;
constexpr std::array kTypes = {VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,    VIRTIO_BLK_T_FLUSH,
                               VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_WRITE_ZEROES,
                               VIRTIO_BLK_T_IN,      uint32_t{77}};

Disk disk_of(size_t bytes) {
    const UniqueFd file(::memfd_create("disk", MFD_CLOEXEC));
    check(::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0);
    const std::string path = "/proc/self/fd/" + std::to_string(file.get());
    return Disk::open(path.c_str(), DiskAccess::kReadWrite).value();
}

std::unique_ptr<Block> create(IoEngine& engine) {
    return Block::create(disk_of(kFileBytes), {.id = "fuzz"}, engine).value();
}

class BlockScript final : public DeviceScript<Block> {
public:
    using DeviceScript::DeviceScript;

private:
    static constexpr size_t kMostRequests = 256;

    // The request that is out under a head, and those that are done.
    void started() override {
        out_.fill({});
        done_.clear();
        header_ = world_.ram.allocate(64 * kMostRequests);
        laid_out_ = 0;
    }

    void offer_a_good_one() override {
        if (laid_out_ == kMostRequests || driver_.queue(0).free_descriptors() < 5) return;
        const uint32_t type = kTypes[next() % kTypes.size()];
        const uint64_t sector = next();
        lay_out(type, sector, next() * 64U);
    }

    // In 64 bytes of its own: the header, a range, and the status byte.
    void lay_out(uint32_t type, uint64_t sector, uint32_t length) {
        const GuestAddress at = header_ + 64 * laid_out_++;
        const GuestAddress status = at + 40;
        world_.ram.store(at, virtio_blk_req_header{type, 0, sector});
        const uint8_t how = next();
        world_.ram.store(at + 16, virtio_blk_discard_write_zeroes{sector, length, how % 4U});
        world_.ram.store(status, kUntouched);
        const bool erases = type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;
        const Access access = type == VIRTIO_BLK_T_OUT ? Access::kReadable : Access::kWritable;
        std::vector<Piece> pieces{{at, 1U + next() % 15U}};
        pieces.push_back({at + pieces[0].length, (erases ? 32 : 16) - pieces[0].length});
        const uint32_t bytes = erases ? 0 : std::min(length, kWildBytes);
        const uint32_t first = how < 0x80 ? bytes : bytes / 3;
        if (first > 0) pieces.push_back({wild_, first, access});
        if (bytes > first) pieces.push_back({wild_ + first, bytes - first, access});
        pieces.push_back({status, 1, Access::kWritable});
        const uint16_t head = driver_.queue(0).add(pieces);
        out_[head] = {status, true};
        offer(0);
    }

    void used(uint16_t /*queue*/, const virtq_used_elem& element) override {
        for (const GuestAddress status : done_)
            check(world_.ram.load<uint8_t>(status) == kUntouched);
        Out& out = out_[element.id];
        check(std::exchange(out.is_out, false));
        last_status_ = world_.ram.load<uint8_t>(out.status);
        check(last_status_ <= VIRTIO_BLK_S_UNSUPP);
        world_.ram.store(out.status, kUntouched);
        done_.push_back(out.status);
        driver_.queue(0).take_used();  // its descriptors are free again
    }

    void step_of_its_own(uint8_t which) override {
        const uint64_t number = next();
        const uint64_t bytes = (number + 1) * VIRTIO_BLK_SECTOR_SIZE;
        if (which == 1) {
            const bool is_changing = world_.device->is_changing_disk();
            check(world_.device->replace_disk(disk_of(bytes)).ok() != is_changing);
        } else if (which == 2) {
            world_.device->resize(bytes);
        } else {
            world_.device->change_limits({.bandwidth = {number * 1024U, 0, 1000}, .ops = {}},
                                         world_.now_ns);
        }
        check_capacity();
    }

    void check_capacity() {
        const auto sectors = driver_.read_config<uint64_t>(0);
        check(sectors == world_.device->disk().size_bytes() / VIRTIO_BLK_SECTOR_SIZE);
    }

    void restore() override {
        world_.device->work(world_.now_ns);
        check(!world_.device->is_changing_disk());
        check_capacity();
        world_.device->resize(kFileBytes);
        world_.device->change_limits({}, world_.now_ns);
    }

    void serve_a_good_driver() override {
        for (const uint32_t type : {VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_FLUSH}) {
            for (uint32_t i = 0; i < 1024; i += 4)
                world_.ram.store(wild_ + i, type == VIRTIO_BLK_T_OUT ? i : 0);
            const uint16_t before = driver_.queue(0).used_idx();
            lay_out(type, 5, 1024);
            do_all();
            check(driver_.queue(0).used_idx() == before + 1);
            check(last_status_ == VIRTIO_BLK_S_OK);
            if (type == VIRTIO_BLK_T_IN) check(world_.ram.load<uint32_t>(wild_ + 1020) == 1020);
        }
    }

    struct Out {
        GuestAddress status{};
        bool is_out = false;
    };
    std::array<Out, kSize> out_{};
    std::vector<GuestAddress> done_;
    GuestAddress header_{};
    size_t laid_out_ = 0;
    uint8_t last_status_ = kUntouched;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    run_device_script<BlockScript, Block>(kFileBytes, create, {data, size});
    return 0;
}
