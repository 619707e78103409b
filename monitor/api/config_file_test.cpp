#include "monitor/api/config_file.hpp"

#include <gtest/gtest.h>

#include "monitor/api/controller_fixture.hpp"

namespace {

// What Mayfly does not have.
const std::string kNothing =
    "\"vsock\":null,\"balloon\":null,\"entropy\":null,\"pmem\":[],\"memory-hotplug\":null,"
    "\"mmds-config\":null,\"cpu-config\":null";

class ConfigFileTest : public ControllerTest {
protected:
    ConfigFileTest() : kernel_(file("kernel")), disk_(file("disk")) {}

    // What comes of a file with `text`: "none", or what is wrong with it.
    std::string complaint(const std::string& text) {
        const std::string path = absent("config.json");
        std::ofstream(path, std::ios::binary) << text;
        return complaint_of(path);
    }
    std::string complaint_of(const std::string& path) {
        ConfigFile config;
        if (const auto read = config.read(path.c_str()); !read.ok()) return text_of(read.error());
        const auto applied = config.apply(controller_);
        return applied.ok() ? "none" : text_of(applied.error());
    }
    static std::string text_of(const Error& error) {
        std::array<char, 512> line{};
        format_error(error, line);
        return line.data();
    }

    std::string boot() const {
        return "\"boot-source\":{\"kernel_image_path\":\"" + kernel_ + "\",\"boot_args\":\"a\"}";
    }
    // A configuration with `more` in it.
    std::string with(const std::string& more) const { return "{" + boot() + "," + more + "}"; }

    std::string kernel_;
    std::string disk_;
};

TEST_F(ConfigFileTest, IsWhatTheVmTells) {
    const std::string text =
        "{\"boot-source\":{\"kernel_image_path\":\"" + kernel_ +
        "\",\"initrd_path\":null,\"boot_args\":\"a\"},\"drives\":[{\"drive_id\":\"d\","
        "\"path_on_host\":\"" +
        disk_ +
        "\",\"is_root_device\":true,\"is_read_only\":false,\"partuuid\":null,"
        "\"cache_type\":\"Unsafe\",\"io_engine\":\"Sync\",\"rate_limiter\":null,"
        "\"socket\":null}],"
        "\"machine-config\":{\"vcpu_count\":2,\"mem_size_mib\":64,\"smt\":false,"
        "\"track_dirty_pages\":false,\"huge_pages\":\"None\",\"nested\":true,\"pmu\":true},"
        "\"network-interfaces\":[],\"serial\":{\"serial_out_path\":\"" +
        absent("serial") + "\"},\"logger\":{\"log_path\":\"" + absent("log") +
        "\",\"level\":\"Warning\",\"show_level\":null,\"show_log_origin\":null,\"module\":null},"
        "\"metrics\":{\"metrics_path\":\"" +
        absent("metrics") + "\"}," + kNothing + "}";
    EXPECT_EQ(complaint(text), "none");
    EXPECT_EQ(settings_text(settings_), text);
    EXPECT_EQ(get("/vm/config"), "200 " + text);
}

TEST_F(ConfigFileTest, NeedsABootSourceAlone) {
    EXPECT_EQ(complaint("{" + boot() + "}"), "none");
    EXPECT_EQ(settings_.config.boot.kernel_path, kernel_);
    EXPECT_EQ(settings_.config.shape.command_line, "a");
    EXPECT_EQ(complaint("{}"), "boot-source: is missing");
    EXPECT_EQ(complaint("{\"boot-source\":null}"), "boot-source: is missing");
    EXPECT_EQ(complaint("{\"boot-source\":{}}"), "boot-source: kernel_image_path: is missing");
}

TEST_F(ConfigFileTest, PartsThatAreNullAreAbsent) {
    EXPECT_EQ(complaint(with("\"drives\":null,\"machine-config\":null,\"network-interfaces\":null,"
                             "\"serial\":null,\"logger\":null,\"metrics\":null")),
              "none");
}

TEST_F(ConfigFileTest, ErrorsNameThePartAndTheField) {
    EXPECT_EQ(complaint(with("\"drives\":[{}]")), "drives: drive_id: is missing");
    EXPECT_EQ(complaint(with("\"drives\":{}")), "drives: is not an array");
    EXPECT_EQ(complaint(with("\"drives\":[1]")), "drives: body: is not an object");
    EXPECT_EQ(complaint(with("\"machine-config\":{\"vcpu_count\":1}")),
              "machine-config: mem_size_mib: is missing");
    EXPECT_EQ(complaint(with("\"machine-config\":[]")), "machine-config: is not an object");
    EXPECT_EQ(complaint(with("\"logger\":{\"level\":\"x\"}")),
              "logger: level: is none of Off, Error, Warning, Info, Debug and Trace");
    EXPECT_NE(complaint("{\"boot-source\":{\"kernel_image_path\":\"" + absent("none") + "\"}}")
                  .find(absent("none") + ": kernel_image_path: No such file"),
              std::string::npos);
}

TEST_F(ConfigFileTest, TheLogIsThereForWhatTheOthersHaveToSay) {
    EXPECT_EQ(
        complaint(with("\"drives\":[{}],\"logger\":{\"log_path\":\"" + absent("log") + "\"}")),
        "drives: drive_id: is missing");
    EXPECT_TRUE(std::filesystem::exists(absent("log")));
}

TEST_F(ConfigFileTest, UnknownPartsAreLeftOut) {
    EXPECT_EQ(complaint(with("\"drive\":[],\"x\":{\"log_path\":\"" + absent("log") + "\"}")),
              "none");
    EXPECT_EQ(complaint(with("\"actions\":{\"action_type\":\"InstanceStart\"}")), "none");
    EXPECT_EQ(starter_.starts, 0);
    EXPECT_EQ(complaint(with(boot())), "boot-source: is given twice");
    EXPECT_EQ(complaint(with("\"serial\":{\"x\":1}")), "x: is no field of this request");
}

TEST_F(ConfigFileTest, DevicesThatMayflyHasNotMayBeNamedAsAbsent) {
    for (const char* const part :
         {"balloon", "cpu-config", "entropy", "mmds-config", "vsock", "memory-hotplug"}) {
        EXPECT_EQ(complaint(with("\"" + std::string(part) + "\":null")), "none") << part;
        EXPECT_EQ(complaint(with("\"" + std::string(part) + "\":{}")).substr(0, 30),
                  (std::string(part) + ": is nothing that Mayfly has: ").substr(0, 30));
    }
    // Firecracker tells the list even where it is empty.
    EXPECT_EQ(complaint(with("\"pmem\":[]")), "none");
    EXPECT_EQ(complaint(with("\"pmem\":null")), "none");
    EXPECT_EQ(complaint(with("\"pmem\":[{}]")).substr(0, 29), "pmem: is nothing that Mayfly ");
    EXPECT_EQ(complaint(with("\"pmem\":{}")), "pmem: is not an array");
}

TEST_F(ConfigFileTest, RulesAreTheApis) {
    const std::string drive =
        "{\"drive_id\":\"d\",\"path_on_host\":\"" + disk_ + "\",\"is_root_device\":true}";
    const std::string other =
        "{\"drive_id\":\"e\",\"path_on_host\":\"" + file("other") + "\",\"is_root_device\":true}";
    EXPECT_EQ(complaint(with("\"drives\":[" + drive + "," + other + "]")),
              "drives: is_root_device: A root block device already exists; a VM has one");
}

TEST_F(ConfigFileTest, AFileIsThereAndIsJsonAndNotTooLarge) {
    EXPECT_EQ(complaint_of(absent("none")),
              absent("none") + ": --config-file: No such file or directory");
    EXPECT_EQ(complaint_of(folder_), folder_ + ": read: Is a directory");
    const std::string path = absent("config.json");
    EXPECT_EQ(complaint("{"),
              path + ": JSON: cannot be read from byte 1 on: Missing a name for object member.");
    EXPECT_EQ(complaint(""),
              path + ": JSON: cannot be read from byte 0 on: The document is empty.");
    EXPECT_EQ(complaint("[]"), path + ": JSON: is not an object");
    EXPECT_EQ(complaint("{" + boot() + "}" + std::string(2 << 20, ' ')),
              path + ": read: File too large; it may have 1 MiB");
}

TEST(SettingsText, HasEveryKeyOfFirecrackers) {
    EXPECT_EQ(settings_text({}),
              "{\"boot-source\":null,\"drives\":[],\"machine-config\":{\"vcpu_count\":1,"
              "\"mem_size_mib\":128,\"smt\":false,\"track_dirty_pages\":false,"
              "\"huge_pages\":\"None\"},\"network-interfaces\":[],\"logger\":null,"
              "\"metrics\":null," +
                  kNothing + "}");
}

}  // namespace
