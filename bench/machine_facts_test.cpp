#include "bench/machine_facts.hpp"

#include <gtest/gtest.h>

namespace {

constexpr char kMeminfo[] =
    "MemTotal:       24684000 kB\n"
    "MemFree:         1684000 kB\n"
    "MemAvailable:   22984000 kB\n";

TEST(ProcValue, IsWhatStandsBehindTheName) {
    EXPECT_EQ(proc_value("processor\t: 0\nmodel name\t: AMD EPYC  7B13 \n", "model name"),
              "AMD EPYC  7B13");
    EXPECT_EQ(proc_value("a:\nb: c", "a"), "");
    EXPECT_EQ(proc_value("a:\nb: c", "b"), "c");
    EXPECT_EQ(proc_value("", "b"), "");
    EXPECT_EQ(proc_value("bb: c\nno colon", "b"), "");
}

TEST(Meminfo, IsInKilobytes) {
    EXPECT_EQ(proc_kib(kMeminfo, "MemAvailable"), 22984000U);
    EXPECT_EQ(proc_kib(kMeminfo, "Mem"), 0U);
}

TEST(PagesKeptByCpus, AreThoseOfAllZones) {
    EXPECT_EQ(
        pages_kept_by_cpus("Node 0, zone      DMA\n  pages free     3840\n  pagesets\n"
                           "    cpu: 0\n              count:    12\n              high: 28\n"
                           "Node 0, zone   Normal\n    cpu: 1\n              count:    300\n"),
        312U);
    EXPECT_EQ(pages_kept_by_cpus(""), 0U);
}

TEST(MachineFacts, KnowsThisMachine) {
    const MachineFacts facts = MachineFacts::read();
    EXPECT_FALSE(facts.kernel.empty());
    EXPECT_GE(facts.cpus, 1U);
    EXPECT_GT(facts.memory_kib, 1024U);
}

TEST(ProcText, OfAFileThatIsNotThereIsEmpty) {
    EXPECT_EQ(proc_text("/proc/self/no such file"), "");
}

}  // namespace
