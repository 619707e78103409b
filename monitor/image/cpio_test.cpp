#include "monitor/image/cpio.hpp"

#include <gtest/gtest.h>
#include <string>

namespace {

TEST(CpioArchive, IsWhatLinuxUnpacks) {
    CpioArchive archive;
    archive.add_file("init", 0755, "abcde");
    EXPECT_EQ(archive.finish(),
              std::string(
                  "070701"
                  "00000001000081ED0000000000000000000000010000000000000005000000000000000000000000"
                  "00000000"
                  "0000000500000000"
                  "init\0\0"
                  "abcde\0\0\0"
                  "070701"
                  "00000000000000000000000000000000000000010000000000000000000000000000000000000000"
                  "000000000000000B00000000"
                  "TRAILER!!!\0\0\0\0",
                  6 + 88 + 16 + 6 + 8 + 6 + 80 + 24 + 14));
}

TEST(CpioArchive, PartsBeginAtMultiplesOfFour) {
    for (size_t size = 0; size < 5; ++size) {
        CpioArchive archive;
        archive.add_file(std::string(size + 1, 'n'), 0600, std::string(size, 'c'));
        EXPECT_EQ(archive.finish().size() % 4, 0U) << size;
    }
}

}  // namespace
