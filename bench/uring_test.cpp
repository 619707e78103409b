#include "bench/uring.hpp"

#include <unistd.h>

#include <array>
#include <gtest/gtest.h>
#include <set>

#include "base/unique_fd.hpp"

namespace {

TEST(Uring, CompletesWhatWasAddedWithItsTag) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    auto uring = Uring::create(4, writer.get());
    if (!uring.ok()) GTEST_SKIP() << "no io_uring here";
    for (const uint64_t tag : {7U, 8U}) {
        uring.value()->add(
            tag, [](io_uring_sqe* entry) { ::io_uring_prep_write(entry, 0, "ab", 2, 0); });
    }
    ASSERT_TRUE(uring.value()->submit_and_wait(2).ok());
    std::set<uint64_t> tags;
    EXPECT_EQ(uring.value()->take_all([&](uint64_t tag, int result) {
        EXPECT_EQ(result, 2);
        tags.insert(tag);
    }),
              2U);
    EXPECT_EQ(tags, (std::set<uint64_t>{7, 8}));
    std::array<char, 8> bytes{};
    EXPECT_EQ(::read(reader.get(), bytes.data(), bytes.size()), 4);
}

}  // namespace
