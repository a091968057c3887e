// base: the house rules of ARCHITECTURE.md, read from the files themselves: ranks, first lines, what is public.
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using Faults = std::vector<std::string>;

/// A room may include itself and the rooms of lower rank. The umbrella stands between `admin` and `apps`.
const std::map<std::string, int, std::less<>>& ranks() {
    static const std::map<std::string, int, std::less<>> table{
        {"base", 0},     {"resp", 1},     {"policy", 1},    {"connection", 2}, {"pool", 3},
        {"topology", 4}, {"dispatch", 5}, {"isolation", 6}, {"service", 7},    {"otel", 8},
        {"admin", 8},    {"embedded", 8}, {"apps", 9},
    };
    return table;
}

constexpr std::string_view umbrella = "redoubt.hpp";

struct Include {
    std::size_t line = 0;
    bool quoted = false;
    std::string path;
};

std::string read_text(const fs::path& file) {
    std::ifstream stream{file, std::ios::binary};
    std::ostringstream text;
    text << stream.rdbuf();
    return std::move(text).str();
}

std::vector<Include> includes_of(const std::string& text) {
    static const std::regex pattern{R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])"};
    std::vector<Include> found;
    std::istringstream lines{text};
    std::size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        std::smatch match;
        if (std::regex_search(line, match, pattern)) found.push_back({number, match[1] == "\"", match[2]});
    }
    return found;
}

bool is_code(const fs::path& file) {
    const auto extension = file.extension();
    return extension == ".cpp" || extension == ".hpp" || extension == ".inc";
}

/// Every file below, sorted; an absent folder has none.
std::vector<fs::path> files_below(const fs::path& folder) {
    std::vector<fs::path> files;
    if (!fs::exists(folder)) return files;
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
        if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

class House {
public:
    explicit House(fs::path root) : root_(std::move(root)) {}

    Faults faults() {
        check_rooms(root_ / "include" / "redoubt", true);
        check_rooms(root_ / "src", false);
        for (const char* folder : {"fuzz", "bench"}) check_first_lines(root_ / folder, folder);
        check_tests(root_ / "tests");
        for (const auto& file : committed_files()) check_addresses(file);
        return faults_;
    }

private:
    void fault(const fs::path& file, const std::string& what) {
        faults_.push_back(fs::relative(file, root_).generic_string() + ": " + what);
    }

    void check_rooms(const fs::path& folder, bool is_public) {
        for (const auto& file : files_below(folder)) {
            if (!is_code(file)) continue;
            const auto inside = fs::relative(file, folder);
            const auto room = inside.begin()->string();
            if (is_public && inside == umbrella) {
                check_file(file, "redoubt", 8, is_public);
            } else if (inside.has_parent_path() && ranks().contains(room)) {
                check_file(file, room, ranks().at(room), is_public);
            } else {
                fault(file, "is in no room");
            }
        }
    }

    void check_file(const fs::path& file, const std::string& room, int rank, bool is_public) {
        const auto text = read_text(file);
        check_first_line(file, text, room);
        for (const auto& include : includes_of(text)) {
            const auto at = "line " + std::to_string(include.line) + ": ";
            if (include.path.find("..") != std::string::npos) {
                fault(file, at + "a path with `..` hides the room: " + include.path);
                continue;
            }
            if (is_public && is_private(include))
                fault(file, at + "a public header includes a private one: " + include.path);
            if (include.path == "redoubt/redoubt.hpp") {
                if (room != "apps") fault(file, at + "a room includes the umbrella");
                continue;
            }
            const auto other = room_of(include);
            if (!other) continue;
            if (!ranks().contains(*other)) {
                fault(file, at + "names no room: " + include.path);
            } else if (room != "redoubt" ? *other != room && ranks().at(*other) >= rank : ranks().at(*other) > rank) {
                fault(file, at + room + " may not include " + *other + ": " + include.path);
            }
        }
    }

    /// The room that an include of ours names; nullopt for what is not ours.
    static std::optional<std::string> room_of(const Include& include) {
        std::string_view path = include.path;
        constexpr std::string_view ours = "redoubt/";
        const bool installed = path.starts_with(ours);
        if (installed) path.remove_prefix(ours.size());
        std::string first{path.substr(0, path.find('/'))};
        if (installed || include.quoted || ranks().contains(first)) return first;
        return std::nullopt;
    }

    bool is_private(const Include& include) const {
        if (include.path.starts_with("redoubt/")) return false;
        return include.quoted || fs::exists(root_ / "src" / include.path);
    }

    void check_first_lines(const fs::path& folder, const std::string& name) {
        for (const auto& file : files_below(folder)) {
            if (is_code(file)) check_first_line(file, read_text(file), name);
        }
    }

    /// `tests/<room>_*_test.cpp` names its room, in its name and in its first line; helpers name one or `tests`.
    void check_tests(const fs::path& folder) {
        for (const auto& file : files_below(folder)) {
            if (!is_code(file)) continue;
            const auto text = read_text(file);
            const auto name = file.filename().string();
            const auto said = text.starts_with("// ") ? text.substr(3, text.find(':') - 3) : "";
            const auto room = name.substr(0, name.find('_'));
            const bool is_test = name.ends_with("_test.cpp");
            if (is_test && !ranks().contains(room)) fault(file, "its name does not start with a room");
            const bool good = is_test ? said == room : ranks().contains(said);
            check_first_line(file, text, good ? said : "tests");
        }
    }

    void check_first_line(const fs::path& file, const std::string& text, const std::string& name) {
        const auto start = "// " + name + ": ";
        const auto line = text.substr(0, text.find('\n'));
        if (!line.starts_with(start) || line.size() < start.size() + 5) {
            fault(file, "its first line does not say what it is for: `" + start + "...`");
        }
    }

    /// What is committed: everything but builds, hidden folders (other than CI's), and seeds of fuzzers.
    std::vector<fs::path> committed_files() const {
        std::vector<fs::path> files;
        for (const auto& entry : fs::directory_iterator{root_}) {
            const auto name = entry.path().filename().string();
            if (entry.is_regular_file() && name != ".git") files.push_back(entry.path());
            if (!entry.is_directory() || name == "build" || (name.front() == '.' && name != ".ci")) continue;
            for (auto& file : files_below(entry.path())) {
                if (file.generic_string().find("/corpus/") == std::string::npos) files.push_back(std::move(file));
            }
        }
        return files;
    }

    /// Addresses of package registries and mirrors, and paths of one machine, belong to machines.
    void check_addresses(const fs::path& file) {
        // Written in pieces, so that this file does not hold what it looks for.
        static const std::regex pattern{R"((^|[^A-Za-z0-9_./-])/wo)"
                                        R"(rk/|[a-z0-9.-]*(debi)"
                                        R"(an\.org|ubun)"
                                        R"(tu\.com|pyp)"
                                        R"(i\.org|npm)"
                                        R"(js\.(org|com)|crat)"
                                        R"(es\.io|proxy\.gol)"
                                        R"(ang\.org|dock)"
                                        R"(er\.io|gh)"
                                        R"(cr\.io)|https?://[^ ]*(registry|artifact|mirror))"};
        const bool is_lock = file.filename() == "package-lock.json";
        std::istringstream lines{read_text(file)};
        std::size_t number = 0;
        for (std::string line; std::getline(lines, line);) {
            ++number;
            std::smatch match;
            // npm writes there where a package came from, whatever that address looks like.
            if (is_lock && line.find("\"resolved\"") != std::string::npos) {
                fault(file, "line " + std::to_string(number) + ": names the registry of one machine");
            } else if (std::regex_search(line, match, pattern)) {
                fault(file, "line " + std::to_string(number) + ": an address or path of one machine: " + match.str());
            }
        }
    }

    fs::path root_;
    Faults faults_;
};

std::string joined(const Faults& faults) {
    std::string text;
    for (const auto& fault : faults) text += "  " + fault + "\n";
    return text;
}

TEST(Structure, this_tree_keeps_the_rules) {
    const Faults faults = House{REDOUBT_SOURCE_DIR}.faults();
    EXPECT_TRUE(faults.empty()) << joined(faults);
}

TEST(Structure, architecture_document_has_the_same_ranks) {
    const auto text = read_text(fs::path{REDOUBT_SOURCE_DIR} / "ARCHITECTURE.md");
    static const std::regex row{R"(\n\| (\d) \| `([a-z]+)` \|)"};
    std::map<std::string, int, std::less<>> written;
    for (std::sregex_iterator at{text.begin(), text.end(), row}, end; at != end; ++at) {
        written[(*at)[2]] = std::stoi((*at)[1]);
    }
    EXPECT_EQ(written, ranks());
}

TEST(Structure, readme_names_every_variable_that_is_read) {
    static const std::regex variable{R"(["`]((REDIS|CIRCUIT_BREAKER)_[A-Z_]+)["`])"};
    const auto names_in = [](const std::string& text) {
        std::set<std::string> names;
        for (std::sregex_iterator at{text.begin(), text.end(), variable}, end; at != end; ++at) names.insert((*at)[1]);
        return names;
    };
    std::string sources;
    for (const auto& file : files_below(fs::path{REDOUBT_SOURCE_DIR} / "src" / "base")) sources += read_text(file);
    EXPECT_EQ(names_in(read_text(fs::path{REDOUBT_SOURCE_DIR} / "README.md")), names_in(sources));
}

// --- the rules themselves, each broken in a small tree of its own -------------------------------------------

using Tree = std::map<std::string, std::string>;

/// A tree in which every rule is kept.
Tree sound_tree() {
    return {
        {"include/redoubt/redoubt.hpp",
         "// redoubt: all public headers.\n#include <redoubt/base/a.hpp>\n#include <redoubt/embedded/e.hpp>\n"},
        {"include/redoubt/base/a.hpp", "// base: something small.\n#include <string>\n"},
        {"include/redoubt/embedded/e.hpp", "// embedded: something small.\n#include <redoubt/service/s.hpp>\n"},
        {"include/redoubt/service/s.hpp", "// service: something small.\n#include <redoubt/service/t.inc>\n"},
        {"include/redoubt/service/t.inc", "// service: a table to include.\n"},
        {"src/resp/r.hpp", "// resp: something small.\n#include <boost/asio.hpp>\n#include <redoubt/base/a.hpp>\n"},
        {"src/policy/p.cpp", "// policy: something small.\n#include \"policy/p.hpp\"\n"},
        {"src/policy/p.hpp", "// policy: something small.\n"},
        {"src/apps/main.cpp",
         "// apps: the command itself.\n#include <redoubt/redoubt.hpp>\n#include \"policy/p.hpp\"\n"},
        {"tests/policy_p_test.cpp", "// policy: what it decides.\n"},
        {"tests/support/servers.hpp", "// tests: the servers.\n"},
        {"tests/support/model.hpp", "// policy: a plain model.\n"},
        {"fuzz/fuzz_r.cpp", "// fuzz: the reader.\n"},
        {"tests/resp_r_test.cpp", "// tests: of the reader.\n#include \"resp/r.hpp\"\n"},
        {"README.md", "Plain words.\n"},
    };
}

/// Writes a tree into a folder of its own and removes it again.
class TreeOnDisk {
public:
    explicit TreeOnDisk(const Tree& tree) {
        std::string name = (fs::temp_directory_path() / "redoubt-structure-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw fs::filesystem_error("mkdtemp", name, {});
        root_ = name;
        for (const auto& [path, text] : tree) {
            fs::create_directories((root_ / path).parent_path());
            std::ofstream{root_ / path} << text;
        }
    }
    TreeOnDisk(const TreeOnDisk&) = delete;
    TreeOnDisk& operator=(const TreeOnDisk&) = delete;
    ~TreeOnDisk() { fs::remove_all(root_); }

    Faults faults() const { return House{root_}.faults(); }

private:
    fs::path root_;
};

TEST(StructureRules, a_sound_tree_has_no_fault) {
    const Faults faults = TreeOnDisk{sound_tree()}.faults();
    EXPECT_TRUE(faults.empty()) << joined(faults);
}

struct BrokenRule {
    const char* name;
    const char* file;
    std::string text;
    const char* fault;
};

class StructureRule : public testing::TestWithParam<BrokenRule> {};

TEST_P(StructureRule, is_seen_when_broken) {
    Tree tree = sound_tree();
    tree[GetParam().file] = GetParam().text;
    const Faults faults = TreeOnDisk{tree}.faults();
    ASSERT_EQ(faults.size(), 1U) << joined(faults);
    EXPECT_TRUE(faults.front().starts_with(std::string{GetParam().file} + ": ")) << faults.front();
    EXPECT_NE(faults.front().find(GetParam().fault), std::string::npos) << faults.front();
}

INSTANTIATE_TEST_SUITE_P(
    All, StructureRule,
    testing::Values(
        BrokenRule{"higher_rank", "src/resp/r.hpp", "// resp: something small.\n#include \"pool/x.hpp\"\n",
                   "resp may not include pool"},
        BrokenRule{"higher_rank_by_its_installed_name", "include/redoubt/base/a.hpp",
                   "// base: something small.\n#include <redoubt/service/s.hpp>\n", "base may not include service"},
        BrokenRule{"higher_rank_in_angle_brackets", "src/resp/r.hpp",
                   "// resp: something small.\n  #  include <dispatch/x.hpp>\n", "resp may not include dispatch"},
        BrokenRule{"equal_rank", "src/policy/p.cpp", "// policy: something small.\n#include \"resp/r.hpp\"\n",
                   "policy may not include resp"},
        BrokenRule{"equal_rank_the_other_way", "src/resp/r.hpp",
                   "// resp: something small.\n#include <redoubt/policy/p.hpp>\n", "resp may not include policy"},
        BrokenRule{"equal_rank_on_top", "include/redoubt/embedded/e.hpp",
                   "// embedded: something small.\n#include <redoubt/admin/x.hpp>\n", "embedded may not include admin"},
        BrokenRule{"a_subfolder_belongs_to_its_room", "include/redoubt/resp/cmd/keys.hpp",
                   "// resp: builders of keys.\n#include <redoubt/pool/x.hpp>\n", "resp may not include pool"},
        BrokenRule{"library_includes_apps", "include/redoubt/embedded/e.hpp",
                   "// embedded: something small.\n#include <redoubt/apps/x.hpp>\n", "embedded may not include apps"},
        BrokenRule{"umbrella_includes_apps", "include/redoubt/redoubt.hpp",
                   "// redoubt: all public headers.\n#include <redoubt/apps/x.hpp>\n", "redoubt may not include apps"},
        BrokenRule{"room_includes_umbrella", "src/policy/p.hpp",
                   "// policy: something small.\n#include <redoubt/redoubt.hpp>\n", "includes the umbrella"},
        BrokenRule{"way_around", "src/resp/r.hpp", "// resp: something small.\n#include \"resp/../pool/x.hpp\"\n",
                   "hides the room"},
        BrokenRule{"no_room_named", "src/resp/r.hpp", "// resp: something small.\n#include \"scanner.hpp\"\n",
                   "names no room"},
        BrokenRule{"unknown_room", "src/attic/x.hpp", "// attic: something old.\n", "is in no room"},
        BrokenRule{"outside_of_rooms", "src/x.cpp", "// src: something lost.\n", "is in no room"},
        BrokenRule{"public_outside_of_rooms", "include/redoubt/x.hpp", "// x: something lost.\n", "is in no room"},
        BrokenRule{"public_includes_private", "include/redoubt/service/s.hpp",
                   "// service: something small.\n#include \"policy/p.hpp\"\n",
                   "a public header includes a private one"},
        BrokenRule{"public_includes_private_in_angle_brackets", "include/redoubt/service/s.hpp",
                   "// service: something small.\n#include <policy/p.hpp>\n", "a public header includes a private one"},
        BrokenRule{"no_first_line", "src/policy/p.hpp", "#pragma once\n", "its first line"},
        BrokenRule{"first_line_of_another_room", "src/policy/p.hpp", "// resp: something small.\n", "its first line"},
        BrokenRule{"first_line_says_nothing", "src/policy/p.hpp", "// policy: \n", "its first line"},
        BrokenRule{"test_without_first_line", "tests/resp_r_test.cpp", "#include \"resp/r.hpp\"\n", "its first line"},
        BrokenRule{"test_of_another_room", "tests/resp_r_test.cpp", "// policy: of the reader.\n", "its first line"},
        BrokenRule{"test_of_no_room", "tests/attic_x_test.cpp", "// tests: of nothing.\n", "start with a room"},
        BrokenRule{"helper_of_no_room", "tests/support/model.hpp", "// attic: a model.\n", "its first line"},
        BrokenRule{"fuzzer_without_first_line", "fuzz/fuzz_r.cpp", "// resp: the reader.\n", "its first line"},
        BrokenRule{"table_without_first_line", "include/redoubt/service/t.inc", "GET\n", "its first line"},
        BrokenRule{"path_of_one_machine", "README.md",
                   "See /wo"
                   "rk/shared/x.\n",
                   "path of one machine"},
        BrokenRule{"address_of_a_mirror", "README.md",
                   "deb http://deb.debi"
                   "an.org/debian x main\n",
                   "one machine"},
        BrokenRule{"lock_file_with_addresses", "web/package-lock.json",
                   "\"resolved\": \"https://packages.example/x.tgz\",\n", "registry of one machine"},
        BrokenRule{"address_in_a_hidden_file", "web/.npmrc",
                   "registry=https://npm.reg"
                   "istry.example/\n",
                   "one machine"},
        BrokenRule{"address_of_a_registry", ".ci/run",
                   "curl https://reg"
                   "istry.example/x\n",
                   "one machine"}),
    [](const testing::TestParamInfo<BrokenRule>& rule) { return std::string{rule.param.name}; });

}  // namespace
