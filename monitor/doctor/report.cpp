#include "monitor/doctor/report.hpp"

#include <algorithm>

#include "base/json_writer.hpp"

namespace {

const char* word_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::kOk:
            return "ok";
        case Verdict::kWarn:
            return "warn";
        case Verdict::kFail:
            return "fail";
        case Verdict::kSkip:
            return "skip";
    }
    __builtin_unreachable();
}

constexpr size_t kVerdictAt = 2;
constexpr size_t kNameAt = 8;
constexpr size_t kTextAt = 25;

// Goes on at kTextAt in a new line where the next word does not fit.
void append_wrapped(std::string& page, std::string_view text) {
    size_t column = kTextAt;
    for (std::string_view word = take_word(text); !word.empty(); word = take_word(text)) {
        const bool is_first = column == kTextAt;
        if (!is_first && column + 1 + word.size() > kReportColumns) {
            page.append("\n").append(kTextAt, ' ');
            column = kTextAt;
        } else if (!is_first) {
            page += ' ';
            ++column;
        }
        page += word;
        column += word.size();
    }
    page += '\n';
}

void append_padded(std::string& page, std::string_view text, size_t width) {
    page.append(text).append(width - std::min(width, text.size()), ' ');
}

// Control characters of a file's would be the terminal's.
std::string printable(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, '?');
    return text;
}

}  // namespace

std::vector<Section> examine(const Host& host) {
    std::vector<Section> sections;
    const auto add = [&](const char* name, const char* title, Findings findings) {
        for (NamedFinding& named : findings)
            named.finding.found = printable(std::move(named.finding.found));
        sections.push_back({name, title, std::move(findings)});
    };
    add("vm", "every VM", vm_findings(host));
    add("io", "drives and NICs", io_findings(host));
    add("net", "--net auto, and TAPs", network_findings(host));
    add("jail", "--jail and mayfly-jailer", jail_findings(host));
    add("tenants", "tenants who share this host", tenant_findings(host));
    add("upkeep", "a host that stays up", upkeep_findings(host));
    return sections;
}

bool has(const std::vector<Section>& sections, Verdict verdict) {
    return std::ranges::any_of(sections, [verdict](const Section& section) {
        return std::ranges::any_of(section.findings, [verdict](const NamedFinding& named) {
            return named.finding.verdict == verdict;
        });
    });
}

std::string as_text(const std::vector<Section>& sections) {
    std::string page;
    for (const Section& section : sections) {
        page.append(page.empty() ? "" : "\n").append(section.title).append("\n");
        for (const auto& [check, finding] : section.findings) {
            page.append(kVerdictAt, ' ');
            append_padded(page, word_of(finding.verdict), kNameAt - kVerdictAt);
            append_padded(page, check, kTextAt - kNameAt);
            append_wrapped(page, finding.remedy.empty()
                                     ? finding.found
                                     : joined({finding.found, "; ", finding.remedy}));
        }
    }
    return page;
}

std::string as_json(const std::vector<Section>& sections) {
    JsonWriter json;
    json.boolean("can_run", !has(sections, Verdict::kFail));
    json.array("sections", sections, [&](const Section& section) {
        json.text("name", section.name);
        json.text("title", section.title);
        json.array("checks", section.findings, [&](const NamedFinding& named) {
            json.text("name", named.check);
            json.text("verdict", word_of(named.finding.verdict));
            json.text("found", named.finding.found);
            json.text("remedy", named.finding.remedy);
        });
    });
    return json.finish() + "\n";
}
