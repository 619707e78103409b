#include "monitor/boot/command_line.hpp"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "monitor/memory/layout.hpp"

namespace {

constexpr std::string_view kApicVetoes[] = {"noapic", "nolapic", "disableapic", "acpi=noirq",
                                            "pci=noacpi"};

// Linux' isspace(), for which 0xa0 is one, too.
bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

// A command line's words, as Linux finds them (lib/cmdline.c, next_arg): blanks between double
// quotes end no word, and nothing escapes a quote.
class Words {
public:
    explicit Words(std::string_view line) : line_(line) {}

    // With its quotes; empty after the last one.
    std::string_view next() {
        while (end_ < line_.size() && is_blank(line_[end_])) ++end_;
        const size_t start = end_;
        for (; end_ < line_.size() && (is_quoted_ || !is_blank(line_[end_])); ++end_)
            is_quoted_ = is_quoted_ != (line_[end_] == '"');
        return line_.substr(start, end_ - start);
    }

    // Of the word that next() gave last.
    size_t end() const { return end_; }
    bool has_open_quote() const { return is_quoted_; }

private:
    std::string_view line_;
    size_t end_ = 0;
    bool is_quoted_ = false;
};

bool is_word(std::string_view word, std::string_view wanted) {
    if (word.starts_with('"')) word = word.substr(1, word.size() - 1 - word.ends_with('"'));
    return word == wanted;
}

// Where the words for init begin, with their `--`; the end of `line` if there are none.
size_t start_of_rest(std::string_view line) {
    if (line.find("--") == std::string_view::npos) return line.size();  // most lines
    Words words(line);
    for (std::string_view word = words.next(); !word.empty(); word = words.next())
        if (is_word(word, "--")) return words.end() - word.size();
    return line.size();
}

void add_word(std::string& line, std::string_view word) {
    if (word.empty()) return;
    if (!line.empty() && !is_blank(line.back())) line += ' ';
    line += word;
}

std::string device_word(uint32_t slot) {
    const GuestAddress window = layout::kVirtioMmio + slot * layout::kVirtioMmioSize;
    std::array<char, 64> word{};
    std::snprintf(word.data(), word.size(), "virtio_mmio.device=4K@%#" PRIx64 ":%u", window.value,
                  layout::kFirstVirtioGsi + slot);
    return word.data();
}

std::string root_words(const RootDrive& root) {
    const std::string device = root.partuuid.empty() ? "/dev/vda" : "PARTUUID=" + root.partuuid;
    return "root=" + device + (root.access == RootAccess::kReadOnly ? " ro" : " rw");
}

}  // namespace

std::string whole_command_line(std::string_view given, const CommandLineAdditions& additions) {
    const size_t rest = start_of_rest(given);
    std::string whole = additions.network;
    add_word(whole, given.substr(0, rest));
    if (additions.root.has_value()) add_word(whole, root_words(*additions.root));
    for (uint32_t slot = 0; slot < additions.virtio_devices; ++slot)
        add_word(whole, device_word(slot));
    add_word(whole, given.substr(rest));
    return whole;
}

ApicVetoes without_apic_vetoes(std::string_view line) {
    if (has_word(line, "acpi=off")) return {std::string(line), {}};
    ApicVetoes without;
    const size_t rest = start_of_rest(line);
    size_t kept = 0;
    Words words(line.substr(0, rest));
    for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
        const auto is_it = [word](std::string_view veto) { return is_word(word, veto); };
        if (std::ranges::none_of(kApicVetoes, is_it)) continue;
        without.line += line.substr(kept, words.end() - word.size() - kept);
        kept = std::min(words.end() + 1, line.size());  // and the blank behind it
        add_word(without.left_out, word);
    }
    without.line += line.substr(kept);
    return without;
}

Result<std::string> with_init_arguments(std::string given, std::span<const char* const> arguments) {
    if (arguments.empty()) return given;
    given += given.empty() ? "--" : " --";
    for (const std::string_view argument : arguments) {
        Words words(argument);
        const bool is_one = !argument.empty() && words.next() == argument;
        if (!is_one && argument.find('"') != std::string_view::npos)
            return Error{
                "--", 0,
                "a kernel's command line cannot carry a word with blanks and double quotes"}
                .about(argument);
        given.append(is_one ? " " : " \"").append(argument).append(is_one ? "" : "\"");
    }
    return given;
}

bool has_word(std::string_view line, std::string_view word) {
    Words words(line.substr(0, start_of_rest(line)));
    for (std::string_view found = words.next(); !found.empty(); found = words.next())
        if (is_word(found, word)) return true;
    return false;
}

bool has_open_quote(std::string_view line) {
    if (line.find('"') == std::string_view::npos) return false;
    Words words(line);
    while (!words.next().empty()) {
    }
    return words.has_open_quote();
}
