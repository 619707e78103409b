#include "rootfs/mkimage/run_config.hpp"

#include <unistd.h>

#include <string_view>

#include "abi/settings.hpp"

namespace {

// Names in the tree have no leading slash.
constexpr const char* kFolder = &guest_abi::kImageFolder[1];
constexpr const char* kFile = &guest_abi::kImageConfig[1];

void add(std::string& file, std::string_view key, std::string_view value) {
    file.append(key).append("=").append(value).push_back('\0');
}

}  // namespace

std::string encode(const RunConfig& run) {
    std::string file;
    for (const std::string& argument : run.arguments) add(file, guest_abi::kArgumentKey, argument);
    for (const std::string& setting : run.environment) add(file, guest_abi::kVariableKey, setting);
    if (!run.workdir.empty()) add(file, guest_abi::kFolderKey, run.workdir);
    if (!run.user.empty()) add(file, guest_abi::kUserKey, run.user);
    for (const std::string& folder : run.volumes) add(file, guest_abi::kVolumeKey, folder);
    return file;
}

Result<> write_run_config(const RunConfig& run, StagingTree& tree) {
    TRY(tree.remove(kFolder, [](const std::string&) { return false; }));
    const std::string text = encode(run);
    if (text.empty()) return Ok{};
    TRY(tree.put_folder(kFolder, {.mode = 0755}));
    const StagingTree::NewFile config = TRY(tree.put_file(kFile));
    const ssize_t count = ::write(config.file.get(), text.data(), text.size());
    if (count < 0) return Error::from_errno("write");
    if (static_cast<size_t>(count) != text.size()) return Error{"write", ENOSPC};
    return tree.finish_file(config, {.mode = 0644});
}
