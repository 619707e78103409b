#include "jailer/jail_options.hpp"

#include <algorithm>
#include <array>
#include <climits>

namespace {

constexpr std::array kFlags = {
    Flag{"--id"},
    Flag{"--exec-file"},
    Flag{"--uid"},
    Flag{"--gid"},
    Flag{"--chroot-base-dir"},
    Flag{"--netns"},
    Flag{"--daemonize", FlagValue::kNone},
    Flag{"--new-pid-ns", FlagValue::kNone},
    Flag{"--cgroup", FlagValue::kRequired, FlagCount::kRepeatable},
    Flag{"--cgroup-version"},
    Flag{"--parent-cgroup"},
    Flag{"--resource-limit", FlagValue::kRequired, FlagCount::kRepeatable},
    Flag{"--bind", FlagValue::kRequired, FlagCount::kRepeatable},
    Flag{"--keep-fd", FlagValue::kRequired, FlagCount::kRepeatable},
    Flag{"--keep-network", FlagValue::kNone},
    Flag{"--cleanup", FlagValue::kNone},
    Flag{.name = "--help", .value = FlagValue::kNone, .alias = "-h"},
    Flag{.name = "--version", .value = FlagValue::kNone, .alias = "-V"},
};

constexpr uint64_t kDefaultOpenFiles = 2048;  // as that of Firecracker's jailer

bool is_id(std::string_view id) {
    constexpr size_t kMost = 64;
    return !id.empty() && id.size() <= kMost && std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-';
    });
}

// Whether a part of `path` is "..", which leads out of where it seems to be.
bool climbs(std::string_view path) {
    return ("/" + std::string(path) + "/").find("/../") != std::string::npos;
}

Result<const char*> needed(const Options& options, const char* flag) {
    const char* const value = options.get(flag);
    if (value == nullptr) return Error{flag, 0, "is missing; see mayfly-jailer --help"};
    return value;
}

Result<uint64_t> number_of(const char* flag, const char* text, uint64_t most) {
    const auto number = parse_number(text, 0, most);
    if (number.ok()) return number;
    Error error = number.error();
    error.what = text;
    return error.about(flag);
}

Result<CgroupSetting> parse_cgroup(const char* text) {
    const std::string_view view = text;
    const size_t equals = view.find('=');
    const std::string_view file = view.substr(0, equals);
    if (equals == std::string_view::npos || equals + 1 == view.size() ||
        file.find('.') == std::string_view::npos || file.front() == '.' ||
        file.find('/') != std::string_view::npos)
        return Error{text, 0, "is not FILE=VALUE as in cpu.max=50000 or pids.max=20"}.about(
            "--cgroup");
    return CgroupSetting{std::string(file), std::string(view.substr(equals + 1))};
}

Result<ResourceLimit> parse_limit(const char* text) {
    constexpr const char* kFlag = "--resource-limit";
    const std::string_view view = text;
    for (const auto& [name, resource] :
         {std::pair{std::string_view("fsize="), RLIMIT_FSIZE}, {"no-file=", RLIMIT_NOFILE}})
        if (view.starts_with(name))
            return ResourceLimit{resource, TRY(number_of(kFlag, text + name.size(), LONG_MAX))};
    return Error{text, 0, "is neither fsize=BYTES nor no-file=COUNT"}.about(kFlag);
}

Result<Bind> parse_bind(const char* text) {
    std::string_view view = text;
    Bind bind;
    if (view.ends_with(":ro")) {
        bind.is_read_only = true;
        view.remove_suffix(3);
    }
    const size_t colon = view.rfind(':');
    bind.source = view.substr(0, colon);
    if (colon != std::string_view::npos) bind.destination = view.substr(colon + 1);
    if (bind.source.empty() || !bind.destination.starts_with('/') ||
        bind.destination.ends_with('/') || climbs(bind.destination))
        return Error{text, 0, "is not SOURCE:/PATH/IN/THE/JAIL[:ro]"}.about("--bind");
    return bind;
}

Result<> parse_limits(const Options& options, JailOptions& jail) {
    for (const char* const text : options.all("--cgroup"))
        jail.cgroups.push_back(TRY(parse_cgroup(text)));
    if (const char* const version = options.get("--cgroup-version")) {
        const std::string_view view = version;
        if (view != "1" && view != "2")
            return Error{"--cgroup-version", 0, "is 1 or 2; without it the version is found"};
        jail.cgroup_version = view == "1" ? CgroupVersion::kV1 : CgroupVersion::kV2;
    }
    if (const char* const parent = options.get("--parent-cgroup")) {
        jail.parent_cgroup = parent;
        if (*parent == '\0' || *parent == '/' || climbs(parent))
            return Error{parent, 0, "is no path below a hierarchy's root"}.about("--parent-cgroup");
    }
    jail.limits.push_back({RLIMIT_NOFILE, kDefaultOpenFiles});
    for (const char* const text : options.all("--resource-limit")) {
        const ResourceLimit limit = TRY(parse_limit(text));
        std::erase_if(jail.limits,
                      [&](const ResourceLimit& it) { return it.resource == limit.resource; });
        jail.limits.push_back(limit);
    }
    return Ok{};
}

}  // namespace

Result<JailOptions> JailOptions::parse(std::span<const char* const> arguments, CalledAs called) {
    JailOptions jail;
    jail.asked = asked_by_word(arguments);
    if (jail.asked != Asked::kNothing) return jail;
    const Options options = TRY(Options::parse(kFlags, arguments));
    jail.arguments = options.rest();
    jail.asked = asked_by_flag(options);
    if (jail.asked != Asked::kNothing) return jail;

    jail.id = TRY(needed(options, "--id"));
    if (!is_id(jail.id)) return Error{"--id", 0, "is not 1 to 64 letters, digits and -"};
    jail.exec_file = TRY(needed(options, "--exec-file"));
    if (jail.exec_file.empty() || jail.exec_file.ends_with('/') || climbs(jail.exec_file))
        return Error{"--exec-file", 0, "is no file's path without .."};
    // The last two ids stand for "none" in the kernel.
    constexpr uint64_t kMostId = UINT32_MAX - 2;
    jail.ids.uid =
        static_cast<uid_t>(TRY(number_of("--uid", TRY(needed(options, "--uid")), kMostId)));
    jail.ids.gid =
        static_cast<gid_t>(TRY(number_of("--gid", TRY(needed(options, "--gid")), kMostId)));
    if (const char* const base = options.get("--chroot-base-dir")) jail.base = base;
    jail.netns = options.get("--netns");
    jail.daemonize = options.has("--daemonize");
    jail.new_pid_ns = options.has("--new-pid-ns");
    jail.cleanup = options.has("--cleanup");
    jail.keeps_network = options.has("--keep-network");
    if (jail.keeps_network && jail.netns != nullptr)
        return Error{"--keep-network", 0, "and --netns exclude each other"};
    if (called == CalledAs::kPeer && jail.netns == nullptr) jail.keeps_network = true;
    TRY(parse_limits(options, jail));
    for (const char* const text : options.all("--bind"))
        jail.binds.push_back(TRY(parse_bind(text)));
    for (const char* const text : options.all("--keep-fd"))
        jail.kept_fds.push_back(static_cast<int>(TRY(number_of("--keep-fd", text, INT_MAX))));
    return jail;
}
