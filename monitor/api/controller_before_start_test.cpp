#include <fcntl.h>

#include <gtest/gtest.h>

#include "base/record_lock.hpp"
#include "monitor/api/config_file.hpp"
#include "monitor/api/controller_fixture.hpp"

namespace {

constexpr char kNeedsStart[] =
    "The requested operation is not supported before starting the microVM.";
constexpr char kRoot[] = ",\"is_root_device\":true";
constexpr char kReadOnlyRoot[] = ",\"is_root_device\":true,\"is_read_only\":true";

class ControllerBeforeStartTest : public ControllerTest {
protected:
    // Asks for what must be refused, and for no change by it.
    std::string refused(HttpMethod method, const std::string& path, const std::string& body) {
        const std::string before = settings_text(settings_);
        std::string why = ask(method, path, body);
        EXPECT_NE(why, "204");
        EXPECT_EQ(settings_text(settings_), before);
        return why;
    }
    std::string refused_drive(const std::string& id, const std::string& path,
                              const std::string& more = ",\"is_root_device\":false") {
        return refused(
            HttpMethod::kPut, "/drives/" + id,
            "{\"drive_id\":\"" + id + "\",\"path_on_host\":\"" + path + "\"" + more + "}");
    }

    std::vector<std::string> drive_ids() const {
        std::vector<std::string> ids;
        for (const DriveShape& drive : settings_.config.shape.drives) ids.push_back(drive.id);
        return ids;
    }
};

// True if somebody has a lock that excludes others' writing.
bool is_locked(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    return is_write_locked(file.get(), {});
}

// --- Configuration ------------------------------------------------------------------------------

TEST_F(ControllerBeforeStartTest, TakesAConfigurationPartByPart) {
    const std::string kernel = file("kernel");
    const std::string disk = file("disk");
    EXPECT_EQ(put("/machine-config", "{\"vcpu_count\":2,\"mem_size_mib\":64}"), "204");
    EXPECT_EQ(put_boot(kernel, ",\"boot_args\":\"a\""), "204");
    EXPECT_EQ(put_drive("d", disk), "204");
    EXPECT_EQ(put("/serial", "{\"serial_out_path\":\"" + absent("serial") + "\"}"), "204");
    EXPECT_EQ(patch("/machine-config", "{\"smt\":true}"), "204");
    EXPECT_EQ(settings_.config.shape.vcpus, 2U);
    EXPECT_EQ(settings_.config.shape.threads_per_core, 2U);
    EXPECT_EQ(get("/vm/config"), "200 " + settings_text(settings_));
    EXPECT_EQ(get("/machine-config"),
              "200 {\"vcpu_count\":2,\"mem_size_mib\":64,\"smt\":true,"
              "\"track_dirty_pages\":false,\"huge_pages\":\"None\"}");
    EXPECT_EQ(starter_.starts, 0);
}

TEST_F(ControllerBeforeStartTest, TellsOfItself) {
    EXPECT_NE(get("/").find("\"id\":\"vm1\",\"state\":\"Not started\""), std::string::npos);
    EXPECT_NE(get("/version").find("\"firecracker_version\":\"1.15.0\""), std::string::npos);
    EXPECT_NE(get("/metrics/prometheus").find("# TYPE"), std::string::npos);
    EXPECT_NE(get("/vm/config").find("\"boot-source\":null"), std::string::npos);
}

TEST_F(ControllerBeforeStartTest, WhatNeedsAVmThatRunsIsRefused) {
    EXPECT_EQ(put_drive("d", file("disk")), "204");
    EXPECT_EQ(refused(HttpMethod::kPatch, "/drives/d", "{\"drive_id\":\"d\"}"), kNeedsStart);
    EXPECT_EQ(refused(HttpMethod::kPatch, "/network-interfaces/e", "{\"iface_id\":\"e\"}"),
              kNeedsStart);
    EXPECT_EQ(refused(HttpMethod::kPatch, "/vm", "{\"state\":\"Paused\"}"), kNeedsStart);
    EXPECT_EQ(refused(HttpMethod::kPatch, "/vm", "{\"state\":\"Resumed\"}"), kNeedsStart);
    EXPECT_EQ(refused(HttpMethod::kPut, "/actions", "{\"action_type\":\"SendCtrlAltDel\"}"),
              kNeedsStart);
}

TEST_F(ControllerBeforeStartTest, FilesThatAreNotThereAreRefusedAtOnce) {
    const std::string kernel = file("kernel");
    EXPECT_EQ(put_boot(kernel), "204");
    EXPECT_EQ(put_drive("d", file("disk")), "204");
    const std::string none = absent("none");
    EXPECT_NE(refused(HttpMethod::kPut, "/boot-source", "{\"kernel_image_path\":\"" + none + "\"}")
                  .find("kernel_image_path: No such file or directory"),
              std::string::npos);
    EXPECT_NE(refused(HttpMethod::kPut, "/boot-source",
                      "{\"kernel_image_path\":\"" + kernel + "\",\"initrd_path\":\"" + none + "\"}")
                  .find("initrd_path: No such file or directory"),
              std::string::npos);
    EXPECT_NE(refused_drive("d", none).find("path_on_host: No such file or directory"),
              std::string::npos);
    EXPECT_NE(refused_drive("e", folder_).find("path_on_host: Is a directory"), std::string::npos);
    EXPECT_NE(refused(HttpMethod::kPut, "/network-interfaces/n",
                      "{\"iface_id\":\"n\",\"host_dev_name\":\"no/such\"}")
                  .find("host_dev_name: "),
              std::string::npos);
    EXPECT_NE(refused(HttpMethod::kPut, "/serial",
                      "{\"serial_out_path\":\"" + absent("no/folder") + "\"}")
                  .find("serial_out_path: "),
              std::string::npos);
    // What there was before is what starts.
    EXPECT_EQ(start(), "204");
    EXPECT_EQ(starter_.kernel, kernel);
    ASSERT_EQ(starter_.taken.disks.size(), 1U);
}

// As clients keep the place of a drive that comes later.
TEST_F(ControllerBeforeStartTest, AnEmptyFileIsADrive) {
    EXPECT_EQ(put_drive("d", file("empty", 0)), "204");
    EXPECT_EQ(put_boot(file("kernel")), "204");
    EXPECT_EQ(start(), "204");
    ASSERT_EQ(starter_.taken.disks.size(), 1U);
    EXPECT_EQ(starter_.taken.disks[0].size_bytes(), 0U);
}

TEST_F(ControllerBeforeStartTest, CombinationsAreChecked) {
    EXPECT_EQ(put("/machine-config", "{\"vcpu_count\":4,\"mem_size_mib\":64,\"smt\":true}"), "204");
    EXPECT_EQ(refused(HttpMethod::kPatch, "/machine-config", "{\"vcpu_count\":3}"),
              "vcpu_count: is neither 1 nor even, as cores of two threads need");
    EXPECT_EQ(patch("/machine-config", "{\"vcpu_count\":1}"), "204");
    const std::string kernel = file("kernel");
    const std::string most(2047, 'a');
    EXPECT_EQ(put_boot(kernel, ",\"boot_args\":\"" + most + "\""), "204");
    EXPECT_EQ(refused_drive("root", file("disk"), kRoot),
              "boot_args: is longer than 2047 bytes with what announces the root, network and "
              "devices to the kernel; shorten it");
    EXPECT_EQ(refused(HttpMethod::kPut, "/boot-source",
                      "{\"kernel_image_path\":\"" + kernel + "\",\"boot_args\":\"" + most + "a\"}"),
              "boot_args: is longer than 2047 bytes (with the arguments after --)");
}

TEST_F(ControllerBeforeStartTest, AVmHasAsManyDevicesAsInterrupts) {
    for (int i = 0; i < 19; ++i) {
        const std::string id = "d" + std::to_string(i);
        ASSERT_EQ(put_drive(id, file(id)), "204");
    }
    EXPECT_EQ(refused_drive("d19", file("d19")),
              "drives and network-interfaces: are more than the 19 devices a VM has "
              "interrupts for");
    EXPECT_EQ(put_drive("d7", file("other")), "204");  // takes another's place
}

// --- Drives -------------------------------------------------------------------------------------

TEST_F(ControllerBeforeStartTest, TheRootDriveIsTheFirst) {
    EXPECT_EQ(put_drive("a", file("a")), "204");
    EXPECT_EQ(put_drive("b", file("b")), "204");
    EXPECT_EQ(put_drive("root", file("root"), kRoot), "204");
    EXPECT_EQ(put_drive("c", file("c")), "204");
    EXPECT_EQ(drive_ids(), (std::vector<std::string>{"root", "a", "b", "c"}));
    EXPECT_EQ(put_boot(file("kernel"), ",\"boot_args\":\"x\""), "204");
    EXPECT_EQ(start(), "204");
    EXPECT_EQ(kernel_line(starter_.config.shape, KernelKind::kOther), "x root=/dev/vda rw");
    ASSERT_EQ(starter_.taken.disks.size(), 4U);
    EXPECT_EQ(starter_.taken.disks[0].identity(), identity(absent("root")));
    EXPECT_EQ(starter_.taken.disks[1].identity(), identity(absent("a")));
    EXPECT_EQ(starter_.taken.disks[3].identity(), identity(absent("c")));
}

TEST_F(ControllerBeforeStartTest, ThereIsOneRoot) {
    EXPECT_EQ(put_drive("root", file("root"), kRoot), "204");
    EXPECT_EQ(refused_drive("other", file("other"), kRoot),
              "is_root_device: A root block device already exists; a VM has one");
    EXPECT_FALSE(is_locked(absent("other")));
    // The root may be another one, when it has been said that it is none.
    EXPECT_EQ(put_drive("root", absent("root")), "204");
    EXPECT_EQ(put_drive("other", absent("other"), kRoot), "204");
    EXPECT_EQ(drive_ids(), (std::vector<std::string>{"other", "root"}));
}

TEST_F(ControllerBeforeStartTest, ADriveMayBePutAgain) {
    const std::string disk = file("disk");
    EXPECT_EQ(put_drive("a", file("a")), "204");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(put_drive("d", disk), "204");
    EXPECT_EQ(put_drive("d", disk, ",\"is_root_device\":false,\"cache_type\":\"Writeback\""),
              "204");
    EXPECT_EQ(drive_ids(), (std::vector<std::string>{"a", "d"}));
    EXPECT_EQ(settings_.config.shape.drives[1].cache, DiskCache::kWriteback);
    EXPECT_TRUE(is_locked(disk));
    // With another file the first is given back.
    EXPECT_EQ(put_drive("d", file("other")), "204");
    EXPECT_FALSE(is_locked(disk));
    EXPECT_TRUE(is_locked(absent("other")));
}

TEST_F(ControllerBeforeStartTest, ADriveMayBecomeWritable) {
    const std::string disk = file("disk");
    EXPECT_EQ(put_drive("d", disk, kReadOnlyRoot), "204");
    EXPECT_FALSE(is_locked(disk));
    EXPECT_EQ(put_drive("d", disk, kRoot), "204");
    EXPECT_TRUE(is_locked(disk));
    EXPECT_EQ(put_drive("d", disk, kReadOnlyRoot), "204");
    EXPECT_FALSE(is_locked(disk));
}

TEST_F(ControllerBeforeStartTest, TwoDrivesShareAFileOnlyToRead) {
    const std::string disk = file("disk");
    EXPECT_EQ(put_drive("a", disk), "204");
    EXPECT_NE(refused_drive("b", disk).find("path_on_host: is another drive"), std::string::npos);
    EXPECT_NE(refused_drive("b", disk, kReadOnlyRoot).find("is another drive"), std::string::npos);
    constexpr char kReadOnly[] = ",\"is_root_device\":false,\"is_read_only\":true";
    EXPECT_EQ(put_drive("a", disk, kReadOnly), "204");
    EXPECT_EQ(put_drive("b", disk, kReadOnly), "204");
    EXPECT_EQ(put_boot(file("kernel")), "204");
    EXPECT_EQ(start(), "204");
    EXPECT_EQ(starter_.taken.disks.size(), 2U);
}

// A process in a jail cannot open again what it has let go of.
TEST_F(ControllerBeforeStartTest, AFailureLosesNoFileThatWasOpen) {
    const std::string kernel = file("kernel");
    const std::string disk = file("disk");
    const FileIdentity was = identity(disk);
    EXPECT_EQ(put_boot(kernel), "204");
    EXPECT_EQ(put_drive("d", disk), "204");
    EXPECT_NE(refused_drive("d", absent("none")), "204");
    EXPECT_TRUE(is_locked(disk));
    const std::string other_kernel = file("kernel2");
    EXPECT_NE(refused(HttpMethod::kPut, "/boot-source",
                      "{\"kernel_image_path\":\"" + other_kernel + "\",\"initrd_path\":\"" +
                          absent("none") + "\"}"),
              "204");
    std::filesystem::remove(kernel);
    std::filesystem::remove(disk);
    EXPECT_NE(refused_drive("d", disk, kReadOnlyRoot), "204");
    EXPECT_EQ(start(), "204");
    EXPECT_EQ(starter_.kernel, kernel);
    ASSERT_EQ(starter_.taken.disks.size(), 1U);
    EXPECT_EQ(starter_.taken.disks[0].identity(), was);
    EXPECT_EQ(starter_.taken.disks[0].access(), DiskAccess::kReadWrite);
}

// --- Log and metrics ----------------------------------------------------------------------------

TEST_F(ControllerBeforeStartTest, LogsWhereItIsTold) {
    EXPECT_EQ(put("/logger", "{\"log_path\":\"" + absent("log") + "\",\"level\":\"Debug\"}"),
              "204");
    LOG_DEBUG("a line");
    EXPECT_GT(std::filesystem::file_size(absent("log")), 0U);
    EXPECT_NE(get("/vm/config").find("\"level\":\"Debug\""), std::string::npos);
    EXPECT_NE(refused(HttpMethod::kPut, "/logger", "{\"log_path\":\"" + absent("no/log") + "\"}"),
              "204");
}

TEST_F(ControllerBeforeStartTest, WritesMetricsWhereItIsTold) {
    EXPECT_NE(refused(HttpMethod::kPut, "/metrics",
                      "{\"metrics_path\":\"" + absent("no/metrics") + "\"}"),
              "204");
    EXPECT_EQ(put("/metrics", "{\"metrics_path\":\"" + absent("metrics") + "\"}"), "204");
    EXPECT_EQ(refused(HttpMethod::kPut, "/actions", "{\"action_type\":\"FlushMetrics\"}"),
              "The requested operation is not supported before starting the microVM.");
    observation_.flush_metrics_if_due(observation_.metrics_due_ns() - 1);
    EXPECT_EQ(std::filesystem::file_size(absent("metrics")), 0U);
    EXPECT_EQ(
        refused(HttpMethod::kPut, "/metrics", "{\"metrics_path\":\"" + absent("other") + "\"}"),
        "metrics_path: Reinitialization of metrics not allowed.");
    EXPECT_FALSE(std::filesystem::exists(absent("other")));
}

// --- The start ----------------------------------------------------------------------------------

TEST_F(ControllerBeforeStartTest, StartsWhatWasConfigured) {
    EXPECT_EQ(refused(HttpMethod::kPut, "/actions", "{\"action_type\":\"InstanceStart\"}"),
              "InstanceStart: needs a kernel; PUT /boot-source first");
    EXPECT_EQ(starter_.starts, 0);
    EXPECT_EQ(put_boot(file("kernel")), "204");
    EXPECT_FALSE(controller_.expect(When::kAfter).ok());
    EXPECT_EQ(start(), "204");
    EXPECT_EQ(starter_.starts, 1);
    ASSERT_TRUE(controller_.expect(When::kAfter).ok());
    EXPECT_EQ(&controller_.running().vm, &vm_);
    EXPECT_EQ(starter_.config.boot.kernel_path, absent("kernel"));
}

TEST_F(ControllerBeforeStartTest, AStartThatFailedMayBeTriedAgain) {
    EXPECT_EQ(put_boot(file("kernel")), "204");
    EXPECT_EQ(put_drive("d", file("disk")), "204");
    EXPECT_EQ(put("/serial", "{\"serial_out_path\":\"" + absent("serial") + "\"}"), "204");
    starter_.error = Error{"KVM_CREATE_VM", EBUSY, "try again"};
    const std::string why =
        refused(HttpMethod::kPut, "/actions", "{\"action_type\":\"InstanceStart\"}");
    EXPECT_EQ(why, "KVM_CREATE_VM: Device or resource busy; try again");
    EXPECT_FALSE(controller_.expect(When::kAfter).ok());
    // What is configured meanwhile counts.
    EXPECT_EQ(put("/machine-config", "{\"vcpu_count\":7,\"mem_size_mib\":64}"), "204");
    starter_.error.reset();
    EXPECT_EQ(start(), "204");
    EXPECT_EQ(starter_.starts, 2);
    EXPECT_EQ(starter_.config.shape.vcpus, 7U);
    ASSERT_EQ(starter_.taken.disks.size(), 1U);
    EXPECT_TRUE(starter_.taken.serial_output);
}

TEST_F(ControllerBeforeStartTest, AStartFindsItsFilesOrSaysWhichIsGone) {
    EXPECT_EQ(put_boot(file("kernel")), "204");
    EXPECT_EQ(put_drive("d", file("disk")), "204");
    starter_.error = Error{"KVM_CREATE_VM", EBUSY};
    EXPECT_NE(start(), "204");
    std::filesystem::remove(absent("disk"));
    EXPECT_NE(start().find("disk: path_on_host: No such file"), std::string::npos);
    EXPECT_EQ(starter_.starts, 1);
}

}  // namespace
