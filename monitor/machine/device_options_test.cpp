#include "monitor/machine/device_options.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace {

template <typename T>
std::string line_of(const Result<T>& result) {
    if (result.ok()) return "none";
    std::array<char, 512> line{};
    format_error(result.error(), line);
    return line.data();
}

std::string disk_complaint(const char* text) {
    return line_of(parse_disk(text, 0));
}
std::string net_complaint(const char* text) {
    return line_of(parse_net(text, 0));
}
std::string complaint(const Config& config) {
    return line_of(validate(config, kFlagNames));
}

DriveConfig disk(const char* text, size_t index = 0) {
    return parse_disk(text, index).value();
}
NicConfig nic(const char* text, size_t index = 0) {
    return parse_net(text, index).value();
}

void expect_a_second_of(const TokenBucketConfig& bucket, uint64_t size) {
    EXPECT_EQ(bucket.size, size);
    EXPECT_EQ(bucket.refill_time_ms, 1000U);
    EXPECT_EQ(bucket.one_time_burst, 0U);
}

constexpr const char* kDiskUsage =
    "takes PATH[,ro][,id=ID][,cache=unsafe|writeback][,bandwidth=SIZE][,ops=N]; write a comma in "
    "the path twice";

TEST(DiskOption, APathIsEnough) {
    const DriveConfig drive = disk("/srv/a b=c.img", 3);
    EXPECT_EQ(drive.host.path, "/srv/a b=c.img");
    EXPECT_EQ(drive.shape.id, "disk3");
    EXPECT_EQ(drive.shape.access, DiskAccess::kReadWrite);
    EXPECT_EQ(drive.shape.cache, DiskCache::kWriteback);
    EXPECT_FALSE(drive.host.limits.bandwidth.is_limited());
    EXPECT_FALSE(drive.host.limits.ops.is_limited());
}

TEST(DiskOption, TakesEveryKeyInAnyOrder) {
    const DriveConfig drive = disk("d,ops=200,cache=unsafe,id=root,bandwidth=8M,ro");
    EXPECT_EQ(drive.host.path, "d");
    EXPECT_EQ(drive.shape.id, "root");
    EXPECT_EQ(drive.shape.access, DiskAccess::kReadOnly);
    EXPECT_EQ(drive.shape.cache, DiskCache::kUnsafe);
    expect_a_second_of(drive.host.limits.bandwidth, 8 << 20);
    expect_a_second_of(drive.host.limits.ops, 200);
    EXPECT_EQ(disk("d,cache=writeback").shape.cache, DiskCache::kWriteback);
}

TEST(DiskOption, ACommaInAValueIsWrittenTwice) {
    EXPECT_EQ(disk("a,,b.img").host.path, "a,b.img");
    EXPECT_EQ(disk("a,,b.img,ro").shape.access, DiskAccess::kReadOnly);
    EXPECT_EQ(disk(",,,,x").host.path, ",,x");
    EXPECT_EQ(disk("a,,,ro").host.path, "a,");
    EXPECT_EQ(disk("a,,,ro").shape.access, DiskAccess::kReadOnly);
    EXPECT_EQ(disk("a,id=x,,y").shape.id, "x,y");  // for validate() to refuse
}

TEST(DiskOption, TheLastOfAKeyCounts) {
    EXPECT_EQ(disk("d,id=a,id=b").shape.id, "b");
    EXPECT_EQ(disk("d,cache=unsafe,cache=writeback").shape.cache, DiskCache::kWriteback);
    EXPECT_EQ(disk("d,ro,ro").shape.access, DiskAccess::kReadOnly);
}

TEST(DiskOption, NamesTheWholeOptionWhereItIsWrong) {
    EXPECT_EQ(disk_complaint(""), ": --disk: needs a file's name");
    EXPECT_EQ(disk_complaint(",ro"), ",ro: --disk: needs a file's name");
    for (const char* const text : {"d,", "d,rw", "d,ro=1", "d,id", "d,size=4", "d,=", "d,RO",
                                   "d,bandwidth", "d,ops", "d, ro", "d,ro,"})
        EXPECT_EQ(disk_complaint(text), std::string(text) + ": --disk: " + kDiskUsage);
    for (const char* const text : {"d,cache=", "d,cache=none", "d,cache"})
        EXPECT_EQ(disk_complaint(text),
                  std::string(text) + ": --disk: cache= is unsafe or writeback");
}

TEST(DiskOption, LimitsAreSizesAndNumbers) {
    EXPECT_EQ(disk_complaint("d,bandwidth=10"),
              "d,bandwidth=10: --disk: write a number and K, M or G, as in 128M");
    EXPECT_EQ(disk_complaint("d,bandwidth=0M"),
              "d,bandwidth=0M: --disk: is 0; leave it out for no limit");
    for (const char* const text :
         {"d,bandwidth=", "d,bandwidth=-1M", "d,bandwidth=99999999999999999999G",
          "d,ops=", "d,ops=0", "d,ops=-1", "d,ops=1K", "d,ops=4294967296"})
        EXPECT_EQ(disk_complaint(text).substr(0, std::string(text).size() + 10),
                  std::string(text) + ": --disk: ");
    expect_a_second_of(disk("d,ops=4294967295").host.limits.ops, 4294967295);
}

TEST(NetOption, ATapIsEnough) {
    const NicConfig net = nic("tap=tap0", 2);
    EXPECT_EQ(net.host.tap, "tap0");
    EXPECT_EQ(net.shape.id, "net2");
    EXPECT_FALSE(net.host.fd.has_value());
    EXPECT_FALSE(net.shape.mac.has_value());
    EXPECT_FALSE(net.shape.mtu.has_value());
    EXPECT_FALSE(net.host.receive_limits.bandwidth.is_limited());
    EXPECT_FALSE(net.host.transmit_limits.ops.is_limited());
}

TEST(NetOption, TakesEveryKeyInAnyOrder) {
    const NicConfig net =
        nic("rx-ops=5,mtu=9000,tx-bandwidth=2M,id=lan,mac=02:00:5E:00:53:ff,fd=17,"
            "rx-bandwidth=1M,tx-ops=6");
    EXPECT_EQ(net.host.tap, "");
    EXPECT_EQ(net.host.fd, 17);
    EXPECT_EQ(net.shape.id, "lan");
    EXPECT_EQ(net.shape.mac, (MacAddress{0x02, 0x00, 0x5e, 0x00, 0x53, 0xff}));
    EXPECT_EQ(net.shape.mtu, 9000);
    expect_a_second_of(net.host.receive_limits.bandwidth, 1 << 20);
    expect_a_second_of(net.host.receive_limits.ops, 5);
    expect_a_second_of(net.host.transmit_limits.bandwidth, 2 << 20);
    expect_a_second_of(net.host.transmit_limits.ops, 6);
    EXPECT_EQ(nic("tap=a,,b").host.tap, "a,b");
}

TEST(NetOption, NeedsOneTap) {
    for (const char* const text :
         {"tap=tap0,fd=3", "auto,tap=tap0", "auto,fd=3", "mtu=1500", "tap=", "tap", "id=x"})
        EXPECT_EQ(net_complaint(text),
                  std::string(text) + ": --net: needs one of auto, tap=NAME and fd=N");
}

TEST(NetOption, NamesTheWholeOptionWhereItIsWrong) {
    for (const char* const text :
         {"", "tap0", "tap=a,", "tap=a,ro", "tap=a,rx=1", "tap=a,MTU=1500", "auto=1",
          "auto=", "range=10.0.0.0/8", "range=10.0.0.0/8,auto", "tap=a,range=10.0.0.0/8"})
        EXPECT_EQ(
            net_complaint(text),
            std::string(text) +
                ": --net: takes auto (and range=, allow=, deny=, connections=, peers=), tap=NAME "
                "(and guard=) or fd=N, then mac=, mtu=, id=, "
                "rx-bandwidth=, rx-ops=, tx-bandwidth=, tx-ops=");
    for (const char* const text :
         {"fd=", "fd", "fd=-1", "fd=2147483648", "fd=3x", "tap=a,mtu=67", "tap=a,mtu=65536",
          "tap=a,mtu=", "tap=a,rx-ops=0", "tap=a,tx-ops=x", "tap=a,rx-bandwidth=1",
          "tap=a,tx-bandwidth=0K"})
        EXPECT_EQ(net_complaint(text).substr(0, std::string(text).size() + 9),
                  std::string(text) + ": --net: ");
    EXPECT_EQ(nic("tap=a,mtu=68").shape.mtu, 68);
    EXPECT_EQ(nic("tap=a,mtu=65535").shape.mtu, 65535);
}

TEST(NetOption, AMacAddressIsSixBytesOfOneHost) {
    EXPECT_EQ(parse_mac("02:aB:cD:eF:01:23").value(),
              (MacAddress{0x02, 0xab, 0xcd, 0xef, 0x01, 0x23}));
    EXPECT_EQ(parse_mac("00:00:00:00:00:01").value(), (MacAddress{0, 0, 0, 0, 0, 1}));
    for (const char* const text :
         {"", "02", "02:00:5e:00:53", "02:00:5e:00:53:1", "02:00:5e:00:53:011",
          "02:00:5e:00:53:01:02", "02-00-5e-00-53-01", "02:00:5e:00:53:0g", "02:00:5e:00:53:-1",
          " 2:00:5e:00:53:01", "0x:00:5e:00:53:01", "02005e005301", "02:00:5e:00:530:1"})
        EXPECT_EQ(line_of(parse_mac(text)),
                  "mac: a MAC address is six bytes in hex, as in mac=02:00:5e:00:53:01")
            << text;
    EXPECT_EQ(net_complaint("tap=a,mac=01:00:5e:00:00:01"),
              "tap=a,mac=01:00:5e:00:00:01: --net: is a group address; make the first byte even");
    EXPECT_EQ(net_complaint("tap=a,mac=ff:ff:ff:ff:ff:ff"),
              "tap=a,mac=ff:ff:ff:ff:ff:ff: --net: is a group address; make the first byte even");
    EXPECT_EQ(net_complaint("tap=a,mac=00:00:00:00:00:00"),
              "tap=a,mac=00:00:00:00:00:00: --net: is all zeroes; choose another");
}

// --- A network of its own -----------------------------------------------------------------------

constexpr Subnet kTenNet{{0x0a000000}, 8};

TEST(NetOption, AutoHasARange) {
    EXPECT_EQ(nic("auto").host.auto_range, (Subnet{{0xac100000}, 16}));
    EXPECT_EQ(nic("auto,auto").host.auto_range, (Subnet{{0xac100000}, 16}));
    EXPECT_EQ(nic("auto,range=10.0.0.0/8").host.auto_range, kTenNet);
    EXPECT_EQ(nic("auto,range=10.0.0.0/8,auto").host.auto_range, kTenNet);
    EXPECT_EQ(nic("auto,range=192.0.2.4/30").host.auto_range, (Subnet{{0xc0000204}, 30}));
    const NicConfig net = nic("auto,mac=02:00:5e:00:53:01,id=lan,mtu=1400,rx-ops=5");
    EXPECT_EQ(net.shape.mac, (MacAddress{0x02, 0x00, 0x5e, 0x00, 0x53, 0x01}));
    EXPECT_EQ(net.shape.id, "lan");
    EXPECT_EQ(net.shape.mtu, 1400);
    for (const char* const text :
         {"auto,range=", "auto,range", "auto,range=10.0.0.0", "auto,range=10.0.0.0/",
          "auto,range=10.0.0.0/7", "auto,range=10.0.0.0/31", "auto,range=10.0.0.1/8",
          "auto,range=10.0.0/8", "auto,range=10.0.0.0/8x", "auto,range=10.0.0.0/-8",
          "auto,range=::/8"})
        EXPECT_EQ(net_complaint(text),
                  std::string(text) +
                      ": --net: range= takes the first address of a network and "
                      "its prefix, 8 to 30, as in 10.200.0.0/16");
}

TEST(NetOption, AutoHasAReach) {
    const Reach none = nic("auto").host.reach;
    EXPECT_TRUE(none.allowed.empty() && none.denied.empty());
    EXPECT_EQ(none.connections, 2048U);
    EXPECT_EQ(none.peers, 256U);
    const Reach reach =
        nic("auto,deny=0.0.0.0/0,allow=192.0.2.1,allow=10.0.0.0/8,connections=7,peers=1048576")
            .host.reach;
    EXPECT_EQ(reach.denied, (std::vector<Subnet>{{{0}, 0}}));
    EXPECT_EQ(reach.allowed, (std::vector<Subnet>{{{0xc0000201}, 32}, kTenNet}));
    EXPECT_EQ(reach.connections, 7U);
    EXPECT_EQ(reach.peers, 1048576U);
    for (const char* const text :
         {"auto,deny=", "auto,allow", "auto,allow=10.0.0.0/33", "auto,allow=10.0.0.1/8",
          "auto,deny=10.0.0.0/", "auto,deny=::/0", "auto,deny=localhost"})
        EXPECT_EQ(net_complaint(text),
                  std::string(text) +
                      ": --net: allow= and deny= take an address, or the first of a network and "
                      "its prefix, as in 192.0.2.0/24");
    for (const char* const text : {"auto,connections=0", "auto,peers=", "auto,peers=1048577",
                                   "tap=a,deny=10.0.0.0/8", "deny=10.0.0.0/8,auto"})
        EXPECT_FALSE(net_complaint(text).empty()) << text;
}

TEST(NetOption, ATapHasGuards) {
    EXPECT_TRUE(nic("tap=a").host.guarded.empty());
    EXPECT_EQ(nic("tap=a,guard=10.0.0.2,guard=10.0.0.3").host.guarded,
              (std::vector<Ipv4Address>{{0x0a000002}, {0x0a000003}}));
    for (const char* const text : {"tap=a,guard=", "tap=a,guard=10.0.0.0/8", "auto,guard=10.0.0.2",
                                   "fd=3,guard=10.0.0.2", "guard=10.0.0.2,tap=a"})
        EXPECT_FALSE(net_complaint(text).empty()) << text;
}

PublishedPort published(const char* text) {
    return parse_publish(text).value();
}

TEST(PublishOption, IsPortsAndMaybeAnAddress) {
    const PublishedPort port = published("8080:80");
    EXPECT_EQ(port.address, Ipv4Address{});
    EXPECT_EQ(port.host_port, 8080);
    EXPECT_EQ(port.guest_port, 80);
    EXPECT_EQ(port.protocol, PortProtocol::kTcp);
    EXPECT_EQ(port.text, "8080:80");
    EXPECT_EQ(published("1:65535/tcp").protocol, PortProtocol::kTcp);
    EXPECT_EQ(published("65535:1").host_port, 65535);
    const PublishedPort other = published("127.0.0.1:5353:53/udp");
    EXPECT_EQ(other.address, Ipv4Address{0x7f000001});
    EXPECT_EQ(other.host_port, 5353);
    EXPECT_EQ(other.guest_port, 53);
    EXPECT_EQ(other.protocol, PortProtocol::kUdp);
}

TEST(PublishOption, NamesTheWholeOptionWhereItIsWrong) {
    for (const char* const text : {"",
                                   "80",
                                   ":",
                                   "80:",
                                   ":80",
                                   "0:80",
                                   "80:0",
                                   "65536:80",
                                   "80:65536",
                                   "-1:80",
                                   "80:80x",
                                   "8o:80",
                                   "80:80/",
                                   "80:80/sctp",
                                   "80:80/TCP",
                                   "80:80/tcp/udp",
                                   "/tcp",
                                   "::80:80",
                                   "1.2.3:80:80",
                                   ":80:80",
                                   "localhost:80:80",
                                   "[::1]:80:80",
                                   "1.2.3.4:1:80:80",
                                   "80-81:80",
                                   " 80:80",
                                   "80: 80",
                                   "127.0.0.1:80",
                                   "1.2.3.4::80",
                                   "99999999999999999999:80"})
        EXPECT_EQ(line_of(parse_publish(text)),
                  std::string(text) +
                      ": --publish: takes [HOSTIP:]HOSTPORT:GUESTPORT[/tcp|/udp], "
                      "ports from 1 to 65535, as in 8080:80");
}

TEST(DeviceConfig, OneNicHasANetworkOfItsOwn) {
    Config config;
    config.add(nic("auto", 0));
    config.add(nic("tap=a", 1));
    EXPECT_EQ(complaint(config), "none");
    config.add(nic("auto", 2));
    EXPECT_EQ(complaint(config), "--net: auto is for one NIC of a VM; use tap= for the others");
}

TEST(DeviceConfig, WhatIsPublishedNeedsSuchANetwork) {
    Config config;
    config.host.published = {published("8080:80")};
    EXPECT_EQ(complaint(config), "8080:80: --publish: needs the network that --net auto makes");
    config.add(nic("tap=a"));
    EXPECT_EQ(complaint(config), "8080:80: --publish: needs the network that --net auto makes");
    config.put(nic("auto"));
    EXPECT_EQ(complaint(config), "none");
}

TEST(DeviceConfig, APortIsPublishedOnce) {
    Config config;
    config.add(nic("auto"));
    config.host.published = {published("8080:80"), published("8080:80/udp"), published("8081:80"),
                             published("127.0.0.2:8082:80"), published("127.0.0.1:8082:80")};
    EXPECT_EQ(complaint(config), "none");
    config.host.published.push_back(published("127.0.0.1:8082:81"));
    EXPECT_EQ(complaint(config),
              "127.0.0.1:8082:81: --publish: the host's port is given twice; give it once");
}

// --- What is checked of all devices together ----------------------------------------------------

TEST(DeviceConfig, AnIdIsGivenOnceAmongDisksAndAmongNics) {
    Config config;
    for (const DriveConfig& drive : {disk("a", 0), disk("b", 1)}) config.add(drive);
    for (const NicConfig& each : {nic("tap=a", 0), nic("tap=b", 1)}) config.add(each);
    EXPECT_EQ(complaint(config), "none");
    config.shape.drives[1].id = "disk0";
    EXPECT_EQ(complaint(config), "disk0: --disk: id= is given twice; give each device its own");
    config.shape.drives[1].id = "net1";
    EXPECT_EQ(complaint(config), "none");
    config.shape.nics[0].id = "net1";
    EXPECT_EQ(complaint(config), "net1: --net: id= is given twice; give each device its own");
}

TEST(DeviceConfig, DrivesDifferInWhatAGuestReadsOfTheirIds) {
    Config config;
    for (const char* const path : {"a", "b"}) config.add(disk(path));
    config.shape.drives[0].id = "volume-0123456789abcde";
    config.shape.drives[1].id = "volume-0123456789abcxyz";
    EXPECT_EQ(complaint(config),
              "volume-0123456789abcde, volume-0123456789abcxyz: --disk: begin with the same 20 "
              "bytes, all that a guest reads of an id; give ids that differ in them");
    config.shape.drives[1].id = "volume-0123456789abc";
    EXPECT_NE(complaint(config), "none");
    config.shape.drives[1].id = "volume-0123456789ab";
    EXPECT_EQ(complaint(config), "none");
    // No guest reads those of NICs.
    for (const char* const tap : {"tap=a", "tap=b"}) config.add(nic(tap));
    config.shape.nics[0].id = "interface-of-tenant-0001";
    config.shape.nics[1].id = "interface-of-tenant-0002";
    EXPECT_EQ(complaint(config), "none");
}

TEST(DeviceConfig, AnIdHasPlainCharacters) {
    Config config;
    config.add(disk("a"));
    for (const char* const id : {"a", "Root-fs_1.2", "0"}) {
        config.shape.drives[0].id = id;
        EXPECT_EQ(complaint(config), "none") << id;
    }
    for (const char* const id : {"", "a b", "a/b", "a,b", "\xc3\xa4", "a\n"}) {
        config.shape.drives[0].id = id;
        EXPECT_NE(complaint(config).find("--disk: id= takes letters, digits, '-', '_' and '.'"),
                  std::string::npos)
            << id;
    }
}

TEST(DeviceConfig, ThereAreInterruptsForNineteen) {
    Config config;
    for (size_t i = 0; i < 10; ++i) config.add(disk("d", i));
    for (size_t i = 0; i < 9; ++i) config.add(nic("tap=t", i));
    EXPECT_EQ(complaint(config), "none");
    config.add(nic("tap=t", 9));
    EXPECT_EQ(config.shape.device_count(), 20U);
    EXPECT_EQ(complaint(config),
              "--disk and --net: are more than the 19 devices a VM has interrupts for");
    config.shape.nics.clear();
    config.host.nics.clear();
    for (size_t i = 10; i < 20; ++i) config.add(disk("d", i));
    EXPECT_NE(complaint(config), "none");
}

// What is added to a command line has to fit, too: a kernel's start would fail.
TEST(DeviceConfig, TheCommandLineHasRoomForWhatIsAdded) {
    Config config;
    config.boot.kernel_path = "kernel";
    config.shape.command_line = std::string(2047, 'x');
    EXPECT_EQ(complaint(config), "none");
    config.add(disk("a"));
    EXPECT_EQ(complaint(config),
              "--cmdline: is longer than 2047 bytes with what announces the root, network and "
              "devices to the kernel; shorten it");
    config.shape.command_line.resize(2047 - 35);
    EXPECT_EQ(complaint(config), "none");
    config.shape.command_line += 'x';
    EXPECT_NE(complaint(config), "none");
    // The guest in the binary is told of no device on it.
    config.boot.kernel_path.clear();
    EXPECT_EQ(complaint(config), "none");
    config.shape.command_line = std::string(2048, 'x');
    EXPECT_EQ(complaint(config),
              "--cmdline: is longer than 2047 bytes (with the arguments after --)");
}

// Else what is added would be part of the user's word.
TEST(DeviceConfig, TheCommandLineClosesItsQuotes) {
    Config config;
    config.shape.command_line = R"(a="b -- c" d)";
    EXPECT_EQ(complaint(config), "none");
    config.shape.command_line = R"(a="b -- c)";
    EXPECT_EQ(complaint(config), "--cmdline: has a double quote that is not closed");
}

TEST(DeviceConfig, TheCommandLineHasRoomForANetworkThatIsYetToBeMade) {
    Config config;
    config.shape.command_line = std::string(2047, 'x');
    EXPECT_EQ(complaint(config), "none");
    config.add(nic("auto"));
    EXPECT_NE(complaint(config), "none");
    config.shape.command_line.resize(2047 - 80);
    EXPECT_EQ(complaint(config), "none");
}

}  // namespace
