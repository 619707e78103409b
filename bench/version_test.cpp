#include "bench/version.hpp"

#include <gtest/gtest.h>

namespace {

TEST(Version, IsTheFirstWordWithADigit) {
    EXPECT_EQ(version_number("QEMU emulator version 7.2.22 (Debian 1:7.2)"), "7.2.22");
    EXPECT_EQ(version_number("Firecracker v1.7.0"), "v1.7.0");
    EXPECT_EQ(version_number("kvm tool"), "-");
    EXPECT_EQ(version_number(""), "-");
}

TEST(Version, IsComparedByNumbers) {
    EXPECT_TRUE(is_older_version("6.1.0-9-amd64", "6.1.0-56-amd64"));
    EXPECT_FALSE(is_older_version("6.10.0", "6.9.0"));
    EXPECT_TRUE(is_older_version("", "6"));
    EXPECT_FALSE(is_older_version("6.1.0", "6.1.0"));
    EXPECT_TRUE(is_older_version("6.1.0-rc", "6.1.1-rc"));
}

TEST(Version, IsWhatTheProgramSays) {
    const auto version = version_of("/bin/bash");
    ASSERT_TRUE(version.ok());
    EXPECT_TRUE(version.value().starts_with("GNU bash"));
    const std::string missing = "/no/such/program";
    const auto none = version_of(missing);
    EXPECT_FALSE(none.ok());
    EXPECT_EQ(none.error().subject(), missing);
}

}  // namespace
