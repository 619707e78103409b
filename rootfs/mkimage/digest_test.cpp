#include "rootfs/mkimage/digest.hpp"

#include <gtest/gtest.h>

namespace {

std::string sha256(std::string_view text) {
    Sha256 digest;
    digest.add(std::as_bytes(std::span(text)));
    return digest.take();
}

// FIPS 180-4's examples.
TEST(Sha256, KnownDigests) {
    EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, BeginsAnewWhenTaken) {
    Sha256 digest;
    digest.add(std::as_bytes(std::span(std::string_view("x"))));
    EXPECT_NE(digest.take(), digest.take());
    EXPECT_EQ(digest.take(), sha256(""));
}

TEST(Sha256, OnlyOneFormIsADigest) {
    const std::string digits(64, 'a');
    EXPECT_TRUE(is_sha256_digest("sha256:" + digits));
    for (const std::string& other :
         {digits, "sha256:" + digits + "a", "sha256:" + std::string(64, 'A'), "sha512:" + digits,
          "sha256:../../" + std::string(58, 'a'), std::string()})
        EXPECT_FALSE(is_sha256_digest(other)) << other;
}

}  // namespace
