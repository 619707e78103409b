// What fields of several documents have in common: an id, a path, one of a few words. Any thread.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "monitor/api/json.hpp"
#include "monitor/machine/config.hpp"

// What the parts of a Config are called in the API.
inline constexpr FieldNames kApiNames{.vcpus = "vcpu_count",
                                      .threads_per_core = "smt",
                                      .memory = "mem_size_mib",
                                      .cpu_template = "cpu_template",
                                      .command_line = "boot_args",
                                      .kernel = "kernel_image_path",
                                      .initrd = "initrd_path",
                                      .drive = "path_on_host",
                                      .image = "path_on_host",
                                      .nic = "host_dev_name",
                                      .mac = "guest_mac",
                                      .serial_output = "serial_out_path",
                                      .devices = "drives and network-interfaces",
                                      .published = "published"};

// Errors: it is missing; see is_id().
Result<std::string> required_id(JsonFields& fields, const char* name);

// Which of the devices `field` has named by its id. Errors: none.
template <typename Device>
Result<size_t> find_device(const std::vector<Device>& devices, const char* field,
                           const std::string& id) {
    const auto known = std::ranges::find(devices, id, &Device::id);
    if (known == devices.end()) return Error{field, 0, "names no device of this VM"};
    return static_cast<size_t>(known - devices.begin());
}

// nullopt: absent. Errors: another type; empty.
Result<std::optional<std::string>> parse_path(JsonFields& fields, const char* name);
Result<std::string> required_path(JsonFields& fields, const char* name);

// --- Words --------------------------------------------------------------------------------------

enum class LetterCase : uint8_t { kMatters, kIgnored };

// The values of a field that takes only these. The first of two words for one value is told.
template <typename T, size_t kCount>
struct Words {
    struct Word {
        std::string_view text{};
        T value{};
    };
    const char* choice = nullptr;  // what an error says of another word
    std::array<Word, kCount> words{};
    LetterCase letters = LetterCase::kMatters;
};

// Whether `text` is `word`.
bool is_word(std::string_view text, std::string_view word, LetterCase letters);

template <typename T, size_t kCount>
std::optional<T> find_word(std::string_view text, const Words<T, kCount>& words) {
    for (const auto& word : words.words)
        if (is_word(text, word.text, words.letters)) return word.value;
    return {};
}

// nullopt: the field is absent. Errors: another type, another word.
template <typename T, size_t kCount>
Result<std::optional<T>> parse_word(JsonFields& fields, const char* name,
                                    const Words<T, kCount>& words) {
    const auto text = TRY(fields.text(name));
    if (!text.has_value()) return std::optional<T>{};
    const std::optional<T> value = find_word(*text, words);
    if (!value.has_value()) return Error{name, 0, words.choice};
    return value;
}

template <typename T, size_t kCount>
Result<T> parse_required_word(JsonFields& fields, const char* name, const Words<T, kCount>& words) {
    const std::optional<T> value = TRY(parse_word(fields, name, words));
    if (!value.has_value()) return Error{name, 0, "is missing"};
    return *value;
}

template <typename T, size_t kCount>
std::string_view word_of(T value, const Words<T, kCount>& words) {
    for (const auto& word : words.words)
        if (word.value == value) return word.text;
    return {};
}
