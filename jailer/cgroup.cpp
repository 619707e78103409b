#include "jailer/cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <ctime>
#include <string_view>

#include "base/while_busy.hpp"
#include "jailer/files.hpp"

namespace {

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const size_t end = std::min(text.find(separator), text.size());
        if (end > 0) parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

bool contains(const std::vector<std::string>& list, const std::string& word) {
    return std::ranges::find(list, word) != list.end();
}

// Files of the core, "cgroup.freeze", need no controller.
bool offers(const CgroupMount& mount, const std::string& controller) {
    return (mount.version == CgroupVersion::kV2 && controller == "cgroup") ||
           contains(mount.controllers, controller);
}

const CgroupMount* find_mount(const std::vector<CgroupMount>& mounts, CgroupVersion version,
                              const std::string& controller) {
    const auto found = std::ranges::find_if(mounts, [&](const CgroupMount& mount) {
        return mount.version == version && offers(mount, controller);
    });
    return found == mounts.end() ? nullptr : &*found;
}

bool has_all(const std::vector<CgroupMount>& mounts, CgroupVersion version,
             std::span<const CgroupSetting> settings) {
    return std::ranges::all_of(settings, [&](const CgroupSetting& setting) {
        return find_mount(mounts, version, setting.controller()) != nullptr;
    });
}

Result<std::vector<CgroupMount>> cgroup_mounts() {
    std::vector<CgroupMount> mounts =
        parse_cgroup_mounts(TRY(read_file(AT_FDCWD, "/proc/self/mounts")));
    for (CgroupMount& mount : mounts) {
        if (mount.version == CgroupVersion::kV1) continue;
        const auto controllers = read_file(AT_FDCWD, (mount.path + "/cgroup.controllers").c_str());
        if (controllers.ok())
            mount.controllers = split(
                std::string_view(controllers.value()).substr(0, controllers.value().find('\n')),
                ' ');
    }
    return mounts;
}

// A new cpuset of version 1 has no processor and no memory, and takes no process.
void inherit_cpuset(const std::string& path) {
    for (const char* const file : {"/cpuset.cpus", "/cpuset.mems"}) {
        const auto own = read_file(AT_FDCWD, (path + file).c_str());
        if (!own.ok() || own.value() != "\n") continue;
        const auto above = read_file(AT_FDCWD, (path.substr(0, path.rfind('/')) + file).c_str());
        if (above.ok())
            static_cast<void>(write_file(AT_FDCWD, (path + file).c_str(), above.value()).ok());
    }
}

// Whether no process is in the cgroup. One whose VM has been killed may be there for a moment.
bool is_empty(const std::string& path) {
    const auto look = [&path] {
        const auto listed = read_file(AT_FDCWD, (path + "/cgroup.procs").c_str());
        errno = listed.ok() ? EBUSY : listed.error().code;
        return listed.ok() && listed.value().empty() ? 0 : -1;
    };
    return while_busy(look, EBUSY) == 0;
}

// The processes that `file` lists.
void kill_all(int folder, const std::string& file) {
    const auto listed = read_file(folder, file.c_str());
    if (!listed.ok()) return;
    for (const std::string& line : split(listed.value(), '\n')) {
        pid_t process = 0;
        std::from_chars(line.data(), line.data() + line.size(), process);
        if (process > 0) ::kill(process, SIGKILL);
    }
}

}  // namespace

std::vector<CgroupMount> parse_cgroup_mounts(const std::string& mounts) {
    std::vector<CgroupMount> found;
    for (const std::string& line : split(mounts, '\n')) {
        const std::vector<std::string> fields = split(line, ' ');  // device, place, type, options
        constexpr size_t kPlace = 1;
        constexpr size_t kType = 2;
        constexpr size_t kOptions = 3;
        if (fields.size() <= kOptions) continue;
        if (fields[kType] == "cgroup2")
            found.push_back({CgroupVersion::kV2, fields[kPlace], {}});
        else if (fields[kType] == "cgroup")
            found.push_back({CgroupVersion::kV1, fields[kPlace], split(fields[kOptions], ',')});
    }
    return found;
}

Result<Cgroups> Cgroups::create(std::span<const CgroupSetting> settings,
                                std::optional<CgroupVersion> version, const std::string& parent,
                                const std::string& id) {
    Cgroups cgroups;
    cgroups.id_ = id;
    if (settings.empty()) {
        if (version == CgroupVersion::kV2) TRY(cgroups.take_callers(parent));
        return cgroups;
    }
    const std::vector<CgroupMount> mounts = TRY(cgroup_mounts());
    if (!version)
        version =
            has_all(mounts, CgroupVersion::kV2, settings) ? CgroupVersion::kV2 : CgroupVersion::kV1;
    for (const CgroupSetting& setting : settings) {
        const auto done = cgroups.configure(mounts, setting, *version, parent);
        if (done.ok()) continue;
        cgroups.remove(Extent::kOurOwn);
        return Error{"--cgroup", done.error().code, done.error().hint}.about(setting.file);
    }
    return cgroups;
}

Result<> Cgroups::take_callers(const std::string& cgroup) {
    const std::vector<CgroupMount> mounts = TRY(cgroup_mounts());
    const auto mount = std::ranges::find(mounts, CgroupVersion::kV2, &CgroupMount::version);
    if (mount == mounts.end()) return Error{"--cgroup-version", 0, "none of version 2 are here"};
    Place place{
        .path = mount->path + "/" + cgroup, .parent = {}, .processes = {}, .is_ours = false};
    place.processes =
        UniqueFd(::open((place.path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!place.processes && errno == ENOENT) return Ok{};
    if (!place.processes) return Error::from_errno("--parent-cgroup").about(place.path);
    places_.push_back(std::move(place));
    return Ok{};
}

Result<> Cgroups::configure(const std::vector<CgroupMount>& mounts, const CgroupSetting& setting,
                            CgroupVersion version, const std::string& parent) {
    const std::string controller = setting.controller();
    const CgroupMount* const mount = find_mount(mounts, version, controller);
    if (mount == nullptr)
        return Error{"--cgroup", 0, "no hierarchy of this machine's cgroups has that controller"};
    const std::string path = mount->path + "/" + parent + "/" + id_;
    if (std::ranges::find(places_, path, &Place::path) == places_.end())
        TRY(make_folders(mount->path, version, parent));
    if (version == CgroupVersion::kV2 && controller != "cgroup") {
        std::string above = mount->path;
        for (const std::string& part : split(parent + "/.", '/')) {
            TRY(write_file(AT_FDCWD, (above + "/cgroup.subtree_control").c_str(),
                           "+" + controller));
            above += "/" + part;
        }
    }
    return write_file(AT_FDCWD, (path + "/" + setting.file).c_str(), setting.value);
}

Result<> Cgroups::make_folders(const std::string& mount, CgroupVersion version,
                               const std::string& parent) {
    std::string path = mount;
    for (const std::string& part : split(parent, '/')) {
        path += "/" + part;
        if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return Error::from_errno("mkdir");
        if (version == CgroupVersion::kV1) inherit_cpuset(path);
    }
    Place place{.path = path + "/" + id_,
                .parent = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
                .processes = {},
                .is_ours = false};
    if (!place.parent) return Error::from_errno("open the parent");
    place.is_ours = ::mkdirat(place.parent.get(), id_.c_str(), 0755) == 0;
    if (!place.is_ours && errno != EEXIST) return Error::from_errno("mkdir");
    if (!place.is_ours && !is_empty(place.path))
        return Error{"mkdir", EEXIST, "another jail of this id is there, or somebody is in it"};
    place.processes =
        UniqueFd(::open((place.path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    const bool can_join = static_cast<bool>(place.processes);
    const Error error = Error::from_errno("open cgroup.procs");
    if (version == CgroupVersion::kV1) inherit_cpuset(place.path);
    places_.push_back(std::move(place));  // to be removed, whatever comes
    if (!can_join) return error;
    return Ok{};
}

Result<> Cgroups::join() const {
    for (const Place& place : places_)
        if (::write(place.processes.get(), "0", 1) != 1)
            return Error::from_errno("join the cgroup").about(place.path);
    return Ok{};
}

void Cgroups::remove(Extent extent) const {
    constexpr int kTries = 500;
    constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 10'000'000};
    for (const Place& place : places_) {
        if (!place.parent) continue;
        for (int i = 0; i < kTries && (place.is_ours || extent == Extent::kAll); ++i) {
            if (::unlinkat(place.parent.get(), id_.c_str(), AT_REMOVEDIR) == 0 || errno != EBUSY)
                break;
            kill_all(place.parent.get(), id_ + "/cgroup.procs");
            ::nanosleep(&kPause, nullptr);
        }
    }
}

std::vector<int> Cgroups::descriptors() const {
    std::vector<int> all;
    for (const Place& place : places_) {
        if (place.parent) all.push_back(place.parent.get());
        all.push_back(place.processes.get());
    }
    return all;
}
