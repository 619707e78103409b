#include "monitor/doctor/host_tree.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <dirent.h>
#include <memory>

#include "base/options.hpp"

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
    const size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace

HostTree::HostTree(const char* root) : root_(::open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

Result<std::string> HostTree::text(const char* path) const {
    // Where a FIFO or a device has the name, nobody is waited for.
    const UniqueFd file(::openat(root_.get(), path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) return Error::from_errno("open").about(path);
    std::string text;
    std::array<char, 4096> piece{};
    while (text.size() < kMostBytes) {
        const ssize_t count = ::read(file.get(), piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno("read").about(path);
        if (count == 0) break;
        text.append(piece.data(), static_cast<size_t>(count));
    }
    return text;
}

Result<std::string> HostTree::line(const char* path) const {
    const std::string all = TRY(text(path));
    std::string_view rest = all;
    return std::string(trimmed(take_line(rest)));
}

Result<uint64_t> HostTree::number(const char* path) const {
    const std::string word = TRY(line(path));
    const auto parsed = parse_number(word.c_str(), 0, UINT64_MAX);
    if (!parsed.ok()) return parsed.error().about(path);
    return parsed;
}

bool HostTree::has(const char* path) const {
    return ::faccessat(root_.get(), path, F_OK, 0) == 0;
}

bool HostTree::may_write(const char* path) const {
    return ::faccessat(root_.get(), path, W_OK, 0) == 0;
}

std::vector<std::string> HostTree::names(const char* path) const {
    std::vector<std::string> found;
    UniqueFd folder(::openat(root_.get(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return found;
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(folder.get()), ::closedir);
    if (listing == nullptr) return found;
    static_cast<void>(folder.release());
    while (found.size() < kMostNames) {
        const dirent* const entry = ::readdir(listing.get());  // NOLINT(concurrency-mt-unsafe)
        if (entry == nullptr) break;
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") found.emplace_back(name);
    }
    std::ranges::sort(found);
    return found;
}

std::string_view take_line(std::string_view& text) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

std::string_view take_word(std::string_view& line) {
    const size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return {};
    line.remove_prefix(begin);
    const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
    line.remove_prefix(word.size());
    return word;
}

std::optional<std::string_view> value_of(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        std::string_view line = trimmed(take_line(text));
        if (!line.starts_with(key)) continue;
        line = trimmed(line.substr(key.size()));
        if (line.starts_with(':') || line.starts_with('=')) return trimmed(line.substr(1));
    }
    return std::nullopt;
}

bool holds_word(std::string_view line, std::string_view word) {
    for (std::string_view next = take_word(line); !next.empty(); next = take_word(line))
        if (next == word) return true;
    return false;
}
