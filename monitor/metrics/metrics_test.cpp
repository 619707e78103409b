#include "monitor/metrics/metrics.hpp"

#include <ctime>
#include <gtest/gtest.h>
#include <regex>

#include "monitor/metrics/startup_time.hpp"

namespace {

class MetricsTest : public testing::Test {
protected:
    // A line that has been written.
    std::string line() {
        std::string text = uncommitted_line();
        metrics_.commit_line();
        return text;
    }
    std::string uncommitted_line() {
        std::string text;
        metrics_.append_line(text, 1'541'591'155'180);
        // JSON of this form has no other way to be wrong.
        EXPECT_TRUE(std::regex_match(text, kForm)) << text;
        return text;
    }
    // What the line has of an object.
    static std::string object(const std::string& line, const std::string& name) {
        const std::string start = "\"" + name + "\":{";
        const size_t at = line.find(start);
        if (at == std::string::npos) return "none";
        EXPECT_EQ(line.find(start, at + 1), std::string::npos) << name << " is there twice";
        return line.substr(at + start.size(), line.find('}', at) - at - start.size());
    }
    // A number in it.
    static std::string number(const std::string& line, const std::string& group,
                              const std::string& name) {
        std::smatch match;
        const std::string text = object(line, group);
        return std::regex_search(text, match, std::regex("\"" + name + "\":(\\d+)")) ? match.str(1)
                                                                                     : "none";
    }

    static const std::regex kForm;
    Metrics metrics_;
};

const std::regex MetricsTest::kForm(
    R"(\{"utc_timestamp_ms":1541591155180)"
    R"((,"[A-Za-z0-9_.-]+":\{"[a-z0-9_]+":\d+(,"[a-z0-9_]+":\d+)*\})*\})"
    "\n");

TEST_F(MetricsTest, ALineHasAllGroupsBeforeThereIsAMachine) {
    const std::string text = line();
    for (const char* group : {"api_server", "block", "get_api_requests", "i8042", "interrupts",
                              "latencies_us", "logger", "net", "patch_api_requests",
                              "put_api_requests", "seccomp", "signals", "uart", "vcpu", "vmm"})
        EXPECT_NE(object(text, group), "none") << group;
    EXPECT_EQ(number(text, "block", "read_bytes"), "0");
    EXPECT_EQ(number(text, "logger", "missed_log_count"), "0");
    EXPECT_EQ(number(text, "logger", "missed_metrics_count"), "0");
    EXPECT_EQ(object(text, "vmm"), "\"panic_count\":0");
}

TEST_F(MetricsTest, CountersTellWhatTheyHaveGained) {
    metrics_.requests.put_drive_count.add(5);
    metrics_.requests.patch_drive_count.add(2);
    EXPECT_EQ(number(uncommitted_line(), "put_api_requests", "drive_count"), "5");
    // Nobody read it: the next line tells it again.
    metrics_.requests.put_drive_count.add();
    const std::string text = line();
    EXPECT_EQ(number(text, "put_api_requests", "drive_count"), "6");
    EXPECT_EQ(number(text, "patch_api_requests", "drive_count"), "2");
    EXPECT_EQ(number(line(), "put_api_requests", "drive_count"), "0");
    metrics_.requests.put_drive_count.add(3);
    EXPECT_EQ(number(line(), "put_api_requests", "drive_count"), "3");
}

TEST_F(MetricsTest, ALineTellsWhatItWasWrittenWith) {
    metrics_.signals.sighup.add();
    std::string text = uncommitted_line();
    metrics_.signals.sighup.add(4);  // meanwhile
    metrics_.commit_line();
    EXPECT_EQ(number(text, "signals", "sighup"), "1");
    EXPECT_EQ(number(line(), "signals", "sighup"), "4");
}

TEST_F(MetricsTest, GaugesTellTheirValue) {
    metrics_.latencies.pause_vm.set(1234);
    EXPECT_EQ(number(line(), "latencies_us", "pause_vm"), "1234");
    EXPECT_EQ(number(line(), "latencies_us", "pause_vm"), "1234");
    metrics_.latencies.pause_vm.set(7);
    EXPECT_EQ(number(line(), "latencies_us", "pause_vm"), "7");
}

TEST_F(MetricsTest, DevicesAreThereAloneAndTogether) {
    BlockMetrics root;
    BlockMetrics scratch;
    NetMetrics net;
    TransportMetrics interrupts_of_root;
    TransportMetrics interrupts_of_net;
    root.read_bytes.add(4096);
    line();
    // Attached later, with all that they have.
    metrics_.attach("rootfs", root);
    metrics_.attach("scratch", scratch);
    metrics_.attach("eth0", net);
    metrics_.attach("rootfs", interrupts_of_root);
    metrics_.attach("eth0", interrupts_of_net);
    scratch.read_bytes.add(512);
    net.tx_packets_count.add(9);
    interrupts_of_root.triggers.add(2);
    interrupts_of_net.triggers.add(3);
    const std::string text = line();
    EXPECT_EQ(number(text, "block_rootfs", "read_bytes"), "4096");
    EXPECT_EQ(number(text, "block_scratch", "read_bytes"), "512");
    EXPECT_EQ(number(text, "block", "read_bytes"), "4608");
    EXPECT_EQ(number(text, "net_eth0", "tx_packets_count"), "9");
    EXPECT_EQ(number(text, "net", "tx_packets_count"), "9");
    EXPECT_EQ(number(text, "interrupts", "triggers"), "5");
    EXPECT_EQ(object(text, "interrupts_eth0"), "none");
    scratch.read_bytes.add(1);
    const std::string next = line();
    EXPECT_EQ(number(next, "block_rootfs", "read_bytes"), "0");
    EXPECT_EQ(number(next, "block", "read_bytes"), "1");
}

TEST_F(MetricsTest, TheSerialLineIsOneGroup) {
    SerialMetrics serial;
    ConsoleMetrics console;
    I8042Metrics i8042;
    VcpuMetrics vcpu;
    metrics_.attach(serial);
    metrics_.attach(console);
    metrics_.attach(i8042);
    metrics_.attach(vcpu);
    serial.write_count.add(18'446'744'073'709'551'615U);
    console.missed_write_count.add(2);
    i8042.reset_count.add(3);
    vcpu.exit_io_out.add(4);
    const std::string text = line();
    EXPECT_EQ(number(text, "uart", "write_count"), "18446744073709551615");
    EXPECT_EQ(number(text, "uart", "missed_write_count"), "2");
    EXPECT_EQ(number(text, "i8042", "reset_count"), "3");
    EXPECT_EQ(number(text, "vcpu", "exit_io_out"), "4");
}

TEST_F(MetricsTest, NoIdBreaksTheForm) {
    const BlockMetrics block;
    metrics_.attach("a\"b\\c\n{}", block);
    EXPECT_NE(object(line(), "block_a_b_c___"), "none");
    EXPECT_NE(metrics_.prometheus().find("{id=\"a_b_c___\"} 0\n"), std::string::npos);
}

TEST_F(MetricsTest, PrometheusHasTotalsAndLabels) {
    BlockMetrics root;
    BlockMetrics scratch;
    metrics_.attach("rootfs", root);
    metrics_.attach("scratch", scratch);
    root.read_bytes.add(4096);
    metrics_.latencies.resume_vm.set(17);
    line();
    root.read_bytes.add(4);
    const std::string text = metrics_.prometheus();
    EXPECT_NE(text.find("# TYPE mayfly_block_read_bytes counter\n"
                        "mayfly_block_read_bytes{id=\"rootfs\"} 4100\n"
                        "mayfly_block_read_bytes{id=\"scratch\"} 0\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("# TYPE mayfly_latencies_us_resume_vm gauge\n"
                        "mayfly_latencies_us_resume_vm 17\n"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("mayfly_net_"), std::string::npos);  // there is none
}

TEST_F(MetricsTest, PrometheusLinesAreTypesAndSamples) {
    const NetMetrics net;
    const SerialMetrics serial;
    const ConsoleMetrics console;
    metrics_.attach("eth0", net);
    metrics_.attach(serial);
    metrics_.attach(console);
    const std::regex form(R"((# TYPE (mayfly_[a-z0-9_]+) (counter|gauge)\n)"
                          R"((\2(\{id="[A-Za-z0-9_.-]+"\})? \d+\n)+)+)");
    EXPECT_TRUE(std::regex_match(metrics_.prometheus(), form)) << metrics_.prometheus();
}

TEST(StartupTimeTest, IsWhatHasPassed) {
    ApiServerMetrics metrics;
    report_startup({}, metrics);
    EXPECT_EQ(metrics.process_startup_time_us.value(), 0U);
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t now_us =
        static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
    report_startup(
        {.start_time_us = now_us - 1000, .start_time_cpu_us = 0, .parent_cpu_time_us = 5'000'000},
        metrics);
    EXPECT_GE(metrics.process_startup_time_us.value(), 1000U);
    EXPECT_LT(metrics.process_startup_time_us.value(), 10'000'000U);
    EXPECT_GE(metrics.process_startup_time_cpu_us.value(), 5'000'000U);
    // A time that is not over yet is none of this clock's.
    report_startup({.start_time_us = now_us + 3'600'000'000}, metrics);
    EXPECT_EQ(metrics.process_startup_time_us.value(), 0U);
}

}  // namespace
