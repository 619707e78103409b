#include "base/called_as.hpp"

#include <gtest/gtest.h>

namespace {

TEST(CalledAs, ThePeersNameIsTheLastPartOfThePath) {
    for (const char* const name :
         {"firecracker", "/firecracker", "/usr/bin/firecracker", "./firecracker-v1.15.0-x86_64"})
        EXPECT_EQ(called_as(name, "firecracker"), CalledAs::kPeer) << name;
}

TEST(CalledAs, AnyOtherNameIsOnesOwn) {
    for (const char* const name :
         {"", "mayfly", "/firecracker/mayfly", "firecracker/", "Firecracker", "my-firecracker",
          "firecracker2", "firecracker-ours", "jailer"})
        EXPECT_EQ(called_as(name, "firecracker"), CalledAs::kItself) << name;
}

}  // namespace
