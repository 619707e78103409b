#include "base/counter.hpp"

#include <cstddef>
#include <gtest/gtest.h>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

struct Group {
    Counter first;
    SharedCounter second;
    Gauge third;
};
static_assert(std::is_standard_layout_v<Group>);  // so a table may know where its members lie
static_assert(sizeof(Group) == 3 * sizeof(uint64_t));
static_assert(offsetof(Group, third) == 2 * sizeof(uint64_t));

TEST(CounterTest, Counts) {
    Group group;
    EXPECT_EQ(group.first.value(), 0U);
    group.first.add();
    group.first.add(41);
    EXPECT_EQ(group.first.value(), 42U);
    group.third.set(7);
    group.third.set(5);
    EXPECT_EQ(group.third.value(), 5U);
}

TEST(CounterTest, ASharedOneLosesNothing) {
    SharedCounter counter;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int n = 0; n < 10'000; ++n) counter.add();
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(counter.value(), 40'000U);
}

}  // namespace
