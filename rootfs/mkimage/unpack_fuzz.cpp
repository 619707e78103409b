// Two layers of any bytes, unpacked one over the other beside a folder that is none of theirs.
// Whatever they say, nothing outside the tree changes and the tree can be removed.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "base/unique_fd.hpp"
#include "rootfs/mkimage/unpack.hpp"
#include "rootfs/mkimage/workplace.hpp"

namespace {

constexpr UnpackLimits kLimits{.bytes = 1 << 20, .entries = 500};

void check(bool holds) {
    if (!holds) std::abort();
}

// A folder of this process, with one file outside the tree.
class Place {
public:
    Place() {
        check(::mkdtemp(folder_.data()) != nullptr);
        const UniqueFd file(::open((folder_ + "/outside").c_str(), O_CREAT | O_WRONLY, 0400));
        check(static_cast<bool>(file));
        expected_ = outside();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { remove_folder(folder_); }

    std::string tree() const { return tree_in(folder_); }

    void check_after() const {
        remove_folder(tree());
        check(outside() == expected_);
        size_t names = 0;
        for ([[maybe_unused]] const auto& it : std::filesystem::directory_iterator(folder_))
            ++names;
        check(names == 1);  // and no tree
    }

private:
    // What a write, a link, a chmod or a chown would change.
    std::string outside() const {
        struct stat status {};
        check(::stat((folder_ + "/outside").c_str(), &status) == 0);
        return std::to_string(status.st_size) + " " + std::to_string(status.st_mode) + " " +
               std::to_string(status.st_nlink) + " " + std::to_string(status.st_mtime) + " " +
               std::to_string(status.st_uid);
    }

    std::string folder_ = "/dev/shm/mayfly-unpack-fuzz-XXXXXX";
    std::string expected_;
};

UniqueFd file_of(const uint8_t* data, size_t size) {
    UniqueFd file(::memfd_create("layer", MFD_CLOEXEC));
    check(::write(file.get(), data, size) == static_cast<ssize_t>(size));
    check(::lseek(file.get(), 0, SEEK_SET) == 0);
    return file;
}

void unpack(Unpacker& unpacker, const uint8_t* data, size_t size, Job& job) {
    const UniqueFd file = file_of(data, size);
    auto archive = Archive::open(file.get(), "layer", job);
    if (archive.ok()) [[maybe_unused]]
        const auto done = unpacker.unpack(archive.value(), "layer", Whiteouts::kApplied);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Place place;
    static Interrupt& interrupt = *new Interrupt(Interrupt::create().value());
    if (size == 0) return 0;
    Job job{std::move(interrupt)};
    {
        auto tree = StagingTree::create(place.tree());
        check(tree.ok());
        Unpacker unpacker(tree.value(), kLimits, job);
        // The first byte says where the second layer begins, in tar's blocks.
        const size_t split = std::min(size - 1, size_t{data[0]} * 512);
        unpack(unpacker, data + 1, split, job);
        unpack(unpacker, data + 1 + split, size - 1 - split, job);
        [[maybe_unused]] const auto settled = tree.value().settle_times();
    }
    interrupt = std::move(job.interrupt);
    place.check_after();
    return 0;
}
