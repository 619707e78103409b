#include "monitor/snapshot/pages.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>

#include "monitor/memory/guest_ram.hpp"

namespace {

// What is written of RAM, mapped again, is the RAM.
TEST(WriteRam, WritesPagesAndLeavesHoles) {
    std::string folder = "/tmp/pages.XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string path = folder + "/memory";
    constexpr uint64_t kBytes = 8 << 20;
    const auto ram = GuestRam::create(kBytes);
    ASSERT_TRUE(ram.ok());
    const GuestMemory memory = ram.value().memory();
    // The first page, a row of pages by their first and last bytes, and the last one.
    for (const uint64_t at :
         {uint64_t{0}, uint64_t{0x100000}, uint64_t{0x101fff}, uint64_t{0x102001}, kBytes - 1})
        ASSERT_TRUE(memory.write(GuestAddress{at}, uint8_t{0x5a}).ok());
    {
        auto file = NewFile::create(path, ".1");
        ASSERT_TRUE(file.ok());
        ASSERT_TRUE(write_ram(ram.value().regions(), file.value()).ok());
        ASSERT_TRUE(file.value().take_place().ok());
    }
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_size, static_cast<off_t>(kBytes));
    EXPECT_LE(status.st_blocks * 512, 16 * 4096);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto copy = GuestRam::create(kBytes);
    ASSERT_TRUE(copy.value().map_all(fd.get()).ok());
    EXPECT_EQ(std::memcmp(ram.value().regions()[0].host.data(),
                          copy.value().regions()[0].host.data(), kBytes),
              0);
    std::filesystem::remove_all(folder);
}

}  // namespace
