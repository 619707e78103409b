#include "bench/monitors.hpp"

#include <cstring>
#include <gtest/gtest.h>

namespace {

const Guest kStub{.name = "stub",
                  .protocol = BootProtocol::kPvh,
                  .image = "/stub.elf",
                  .command_line = "",
                  .marker = "hello",
                  .memory_mib = 128};
const Guest kDebian{.name = "debian",
                    .protocol = BootProtocol::kBzImage,
                    .image = "/vmlinuz",
                    .command_line = "console=ttyS0",
                    .marker = "Unable to mount root fs",
                    .memory_mib = 256};
const Guest kUnikernel{.name = "unikernel",
                       .protocol = BootProtocol::kEmbedded,
                       .image = "",
                       .command_line = "",
                       .marker = "Hello",
                       .memory_mib = 128};

const Monitor& peer(std::string_view name) {
    for (const Monitor& one : peers())
        if (one.name == name) return one;
    ADD_FAILURE() << name;
    return kFloor;
}

std::string line_of(const Monitor& monitor, const Guest& guest, std::string_view kvm = "kvm_amd") {
    std::string line;
    for (const std::string& word : monitor.invocation("/m", guest, kvm).words) line += word + ' ';
    return line;
}

TEST(Monitors, HaveTheirOwnCommandLines) {
    EXPECT_EQ(line_of(kFloor, kStub), "/m ");
    EXPECT_EQ(line_of(kMayfly, kStub), "/m run --memory 128M --kernel /stub.elf ");
    EXPECT_EQ(line_of(kMayfly, kUnikernel), "/m run --memory 128M -- quiet ");
    EXPECT_EQ(line_of(kMayfly, kDebian),
              "/m run --memory 256M --kernel /vmlinuz --cmdline console=ttyS0 ");
    EXPECT_EQ(line_of(peer("qemu"), kStub),
              "/m -M microvm,x-option-roms=off,pit=off,pic=off,isa-serial=on,rtc=off -enable-kvm "
              "-cpu host -m 128m -smp 1 -nodefaults -no-user-config -nographic -no-reboot -serial "
              "stdio -kernel /stub.elf ");
    EXPECT_EQ(line_of(peer("kvmtool"), kDebian),
              "/m run --nodefaults --cpus 1 --mem 256 --network mode=none "
              "--console serial --kernel /vmlinuz --params console=ttyS0 ");
    EXPECT_EQ(line_of(peer("cloud-hypervisor"), kDebian),
              "/m --kernel /vmlinuz --console off --serial tty --cpus boot=1 --memory size=256M "
              "--cmdline console=ttyS0 ");
}

TEST(Monitors, GiveFirecrackerItsFile) {
    const Invocation stub = peer("firecracker").invocation("/m", kStub, "kvm_amd");
    EXPECT_EQ(stub.words,
              (std::vector<std::string>{"/m", "--no-api", "--config-file", "/proc/self/fd/3",
                                        "--log-path", "/dev/null", "--level", "Error"}));
    EXPECT_EQ(
        stub.given_file,
        R"({"boot-source":{"kernel_image_path":"/stub.elf","boot_args":""},"drives":[],"machine-config":{"vcpu_count":1,"mem_size_mib":128}})");
    EXPECT_NE(peer("firecracker")
                  .invocation("/m", kDebian, "kvm_amd")
                  .given_file.find(R"("boot_args":"console=ttyS0 pci=off")"),
              std::string::npos);
}

TEST(Monitors, SpareQemuAnMsrThatSoftwareKvmRefuses) {
    EXPECT_NE(line_of(peer("qemu"), kStub, "kvm_pvm").find("-cpu host,arch-capabilities=off "),
              std::string::npos);
}

TEST(Monitors, RefuseWhatTheyDoNotBoot) {
    for (const Monitor& one : peers()) EXPECT_NE(one.refusal(kUnikernel), nullptr) << one.name;
    EXPECT_NE(peer("kvmtool").refusal(kStub), nullptr);
    EXPECT_EQ(peer("kvmtool").refusal(kDebian), nullptr);
    EXPECT_EQ(peer("firecracker").refusal(kStub), nullptr);
    EXPECT_NE(peer("firecracker").refusal(kDebian), nullptr);
    for (const Guest& guest : {kStub, kDebian, kUnikernel})
        EXPECT_EQ(kMayfly.refusal(guest), nullptr);
}

TEST(FindProgram, LooksThroughThePath) {
    EXPECT_EQ(find_program({"none", "sh"}, "/no/such/folder::/bin"), "/bin/sh");
    EXPECT_EQ(find_program({"sh", ""}, ""), "");
    EXPECT_EQ(find_program({"bin", ""}, "/"), "") << "a folder is no program";
}

TEST(ParsePeer, TakesNameAndPath) {
    const auto given = parse_peer("firecracker=/bin/sh");
    ASSERT_TRUE(given.ok());
    EXPECT_STREQ(given.value().monitor->name, "firecracker");
    EXPECT_EQ(given.value().path, "/bin/sh");
    for (const char* const text :
         {"", "=/bin/sh", "qemu", "xen=/bin/sh", "mayfly=/bin/sh", "qemu=", "qemu=/", "qemu=/none"})
        EXPECT_FALSE(parse_peer(text).ok()) << text;
}

}  // namespace
