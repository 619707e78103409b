#include "monitor/api/snapshots.hpp"

#include <gtest/gtest.h>

#include "monitor/api/controller_fixture.hpp"
#include "monitor/api/document_test.hpp"

namespace {

TEST(SnapshotDocument, SaysTwoFiles) {
    const auto creation =
        parsed(parse_snapshot_creation, R"({"snapshot_path":"s","mem_file_path":"m"})");
    EXPECT_EQ(creation.state_path, "s");
    EXPECT_EQ(creation.memory_path, "m");
    EXPECT_TRUE(creation.sync);
    EXPECT_FALSE(parsed(parse_snapshot_creation,
                        R"({"snapshot_path":"s","mem_file_path":"m","snapshot_type":"Full",)"
                        R"("sync_snapshot_files":false})")
                     .sync);
    const auto wrong = [](const char* text) { return complaint(parse_snapshot_creation, text); };
    EXPECT_EQ(wrong(R"({"snapshot_path":"s"})"), "mem_file_path: is missing");
    EXPECT_EQ(wrong(R"({"mem_file_path":"m"})"), "snapshot_path: is missing");
    EXPECT_EQ(wrong(R"({"snapshot_path":"s","mem_file_path":"s"})"),
              "mem_file_path: is snapshot_path, too; a snapshot is two files");
    EXPECT_EQ(wrong(R"({"snapshot_path":"s","mem_file_path":"m","snapshot_type":"Diff"})"),
              "snapshot_type: can only be Full; Mayfly takes no diffs yet");
    EXPECT_EQ(wrong(R"({"snapshot_path":"s","mem_file_path":"m","snapshot_type":"Half"})"),
              "snapshot_type: is neither Full nor Diff");
}

TEST(SnapshotDocument, SaysWhereMemoryIsInOneOfTwoWays) {
    const auto load =
        parsed(parse_snapshot_load,
               R"({"snapshot_path":"s","mem_backend":{"backend_type":"File","backend_path":"m"}})");
    EXPECT_EQ(load.state_path, "s");
    EXPECT_EQ(load.memory_path, "m");
    EXPECT_FALSE(load.resumes);
    EXPECT_EQ(load.deprecated, nullptr);
    const auto old = parsed(parse_snapshot_load,
                            R"({"snapshot_path":"s","mem_file_path":"m","resume_vm":true})");
    EXPECT_EQ(old.memory_path, "m");
    EXPECT_TRUE(old.resumes);
    EXPECT_STREQ(old.deprecated, "mem_file_path");
    const auto wrong = [](const char* text) { return complaint(parse_snapshot_load, text); };
    constexpr const char* kOneOfTwo =
        "mem_backend: has to be there, or else mem_file_path, and not both";
    EXPECT_EQ(wrong(R"({"snapshot_path":"s"})"), kOneOfTwo);
    EXPECT_EQ(wrong(R"({"snapshot_path":"s","mem_file_path":"m",)"
                    R"("mem_backend":{"backend_type":"File","backend_path":"m"}})"),
              kOneOfTwo);
    EXPECT_EQ(
        wrong(R"({"snapshot_path":"s","mem_backend":{"backend_type":"Uffd","backend_path":"m"}})"),
        "backend_type: can only be File; Mayfly maps memory files itself");
}

TEST(SnapshotDocument, SaysOtherDevices) {
    const auto load = parsed(
        parse_snapshot_load,
        R"({"snapshot_path":"s","mem_file_path":"m","enable_diff_snapshots":false,)"
        R"("network_overrides":[{"iface_id":"n","host_dev_name":"tap7"}],"serial_override":"out",)"
        R"("drive_overrides":[{"drive_id":"d","path_on_host":"/d"},)"
        R"({"drive_id":"e","path_on_host":"/e"}]})");
    EXPECT_STREQ(load.deprecated, "enable_diff_snapshots");
    ASSERT_EQ(load.nics.size(), 1U);
    EXPECT_EQ(load.nics[0].id, "n");
    EXPECT_EQ(load.nics[0].with, "tap7");
    ASSERT_EQ(load.drives.size(), 2U);
    EXPECT_EQ(load.drives[1].with, "/e");
    EXPECT_EQ(load.serial_output_path, "out");
    EXPECT_EQ(complaint(parse_snapshot_load, R"({"snapshot_path":"s","mem_file_path":"m",)"
                                             R"("drive_overrides":[{"drive_id":"d"}]})"),
              "path_on_host: is missing");
}

class SnapshotsTest : public ControllerTest {
protected:
    static constexpr const char* kCreate =
        R"({"snapshot_path":"/s","mem_file_path":"/m","sync_snapshot_files":false})";

    std::string load(const std::string& more = {}) {
        return put("/snapshot/load", R"({"snapshot_path":")" + file("state") +
                                         R"(","mem_file_path":")" + file("memory") + "\"" + more +
                                         "}");
    }
};

TEST_F(SnapshotsTest, AreMadeOfAPausedVm) {
    EXPECT_EQ(put("/snapshot/create", kCreate),
              "The requested operation is not supported before starting the microVM.");
    put_boot(file("kernel"));
    ASSERT_EQ(start(), "204");
    EXPECT_EQ(put("/snapshot/create", kCreate),
              "Create snapshot error: Operation not allowed: save/restore unavailable while "
              "running; PATCH /vm to Paused first");
    ASSERT_EQ(patch("/vm", R"({"state":"Paused"})"), "204");
    EXPECT_EQ(put("/snapshot/create", kCreate), "204");
    EXPECT_EQ(vm_.calls.back(), "snapshot /s /m unsynced");
    EXPECT_NE(get("/").find("Paused"), std::string::npos);
    EXPECT_EQ(load(), "The requested operation is not supported after starting the microVM.");
}

TEST_F(SnapshotsTest, AreLoadedInPlaceOfABoot) {
    starter_.saved.shape.memory_bytes = 64 << 20;
    starter_.saved.add(DriveConfig{.shape = {.id = "d"}, .host = {.path = absent("lost")}});
    EXPECT_EQ(load().find(absent("lost")), 0U);  // it is named, and the process goes on
    EXPECT_EQ(load(R"(,"drive_overrides":[{"drive_id":"x","path_on_host":"/x"}])"),
              "drive_id: names no device of this VM");
    const std::string disk = file("disk");
    const std::string other =
        R"(,"drive_overrides":[{"drive_id":"d","path_on_host":")" + disk + R"("}])";
    EXPECT_EQ(load(other), "204");
    EXPECT_EQ(starter_.restored, AfterRestore::kPaused);
    ASSERT_EQ(starter_.taken.disks.size(), 1U);
    EXPECT_EQ(starter_.taken.disks[0].identity(), identity(disk));
    EXPECT_NE(get("/").find("Paused"), std::string::npos);
    EXPECT_NE(get("/machine-config").find("\"mem_size_mib\":64"), std::string::npos);
    EXPECT_EQ(patch("/vm", R"({"state":"Resumed"})"), "204");
}

TEST_F(SnapshotsTest, ThatCannotGoOnLeaveTheProcessAsItWas) {
    starter_.saved.shape.memory_bytes = 64 << 20;
    const std::string before = get("/vm/config");
    starter_.error = Error{"MSR", EINVAL};
    EXPECT_NE(load(), "204");
    EXPECT_EQ(get("/vm/config"), before);
    starter_.error.reset();
    put_boot(file("kernel"));
    EXPECT_EQ(start(), "204");
}

TEST_F(SnapshotsTest, RunAtOnceWhereThatIsAskedFor) {
    EXPECT_EQ(load(R"(,"resume_vm":true)"), "204");
    EXPECT_EQ(starter_.restored, AfterRestore::kRuns);
    EXPECT_NE(get("/").find("Running"), std::string::npos);
}

TEST_F(SnapshotsTest, AreNotLoadedIntoAVmThatIsConfigured) {
    put_boot(file("kernel"));
    EXPECT_EQ(load(),
              "Loading a microVM snapshot not allowed after configuring boot-specific resources.");
    EXPECT_EQ(start(), "204");
}

}  // namespace
