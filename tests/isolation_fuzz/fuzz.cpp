// tests: the fuzzer of isolation: generated and spoilt calls of every command through the parser of raw commands; what it
// lets through is shown to a real server, which must see no key without the prefix, and executed beside keys of others,
// which must not change or show in a reply. `./dev fuzz`.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <redoubt/base/clock.hpp>
#include <redoubt/embedded/embedded_server.hpp>
#include <redoubt/resp/value.hpp>

#include "isolation/raw_command.hpp"

#include "grammar.hpp"
#include "keyspace.hpp"
#include "link.hpp"
#include "mutate.hpp"

namespace redoubt::isolation_fuzz {
namespace {

using isolation::RawCommand;
using isolation::Rule;
using isolation::rule_names;
using isolation::Rules;

constexpr std::size_t batch_size = 400;
constexpr std::size_t checked_after = 20'000;  // executed commands
constexpr Duration really_waited = std::chrono::milliseconds(3);

struct Options {
    std::uint64_t commands = 5'000'000;
    std::uint64_t seed = 1;
    std::string server = "redis";
    Rules rules;
    std::uint64_t enough = 10;  ///< deviations that end it
};

struct Counts {
    std::uint64_t generated = 0;
    std::uint64_t mutated = 0;
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::uint64_t server_errors = 0;
    std::uint64_t keys_seen = 0;
    std::uint64_t without_keys = 0;
    std::uint64_t waited = 0;
    std::uint64_t checks = 0;
    std::map<std::string, std::uint64_t> deviations;
    std::vector<bool> commands_accepted = std::vector<bool>(command_table().size());
};

/// One that the parser let through.
struct Passed {
    Words words;
    std::string bytes;  ///< as it is sent
    const CommandSpec* spec = nullptr;
    Duration block_time = Duration::zero();
};

std::string quoted(const Words& words) {
    std::string text;
    for (const std::string& word : words) {
        Value value;
        value.type = RespType::bulk;
        value.text = word;
        text += (text.empty() ? "" : " ") + to_cli_text(value);
    }
    return text;
}

/// The command behind these words: `*2 $7 COMMAND ...`.
void append_question(std::string& out, std::string_view encoded) {
    const std::size_t line = encoded.find('\r');
    const auto count = static_cast<unsigned>(std::stoul(std::string(encoded.substr(1, line - 1))));
    out += fmt::format("*{}\r\n$7\r\nCOMMAND\r\n$15\r\nGETKEYSANDFLAGS\r\n", count + 2);
    out += encoded.substr(line + 2);
}

class Fuzzer {
public:
    Fuzzer(const Options& options, const std::string& socket_path)
        : options_(options),
          socket_path_(socket_path),
          random_(options.seed),
          keyspace_(socket_path, make_mark()),
          link_(socket_path),
          passed_(batch_size) {}

    bool run() {
        while (counts_.generated < options_.commands && deviations_ < options_.enough) {
            gather();
            execute();
            if (journal_.size() >= checked_after) check();
        }
        check();
        return deviations_ == 0;
    }
    const Counts& counts() const noexcept { return counts_; }

private:
    /// Not from the seed: no generated word can hold it.
    static std::string make_mark() {
        std::random_device device;
        return fmt::format("{:08x}{:08x}", device(), device());
    }

    void deviate(const std::string& kind, const Words& words, const std::string& detail = {}) {
        ++counts_.deviations[kind];
        if (++deviations_ > options_.enough) return;
        fmt::print(stderr, "DEVIATION: {}{}{}\n  {}\n", kind, detail.empty() ? "" : ": ", detail, quoted(words));
    }

    void make_words(Words& words) {
        if (random_.one_in(50)) {
            // Any name of the table, so also those that must be refused.
            const auto table = command_table();
            const std::string_view name = table[random_.below(static_cast<std::uint32_t>(table.size()))].name;
            words.assign(1, std::string(name.substr(0, name.find(' '))));
            if (name.find(' ') != std::string_view::npos) words.emplace_back(name.substr(name.find(' ') + 1));
            for (std::uint32_t i = random_.below(5); i != 0; --i) words.push_back(Grammar::any_key(random_));
        } else {
            grammar_.make(random_, words);
        }
        if (random_.one_in(2)) return;
        mutate(words, random_);
        ++counts_.mutated;
    }

    /// A batch of calls that the parser lets through.
    void gather() {
        size_ = 0;
        while (size_ < batch_size && counts_.generated < options_.commands) {
            Passed& passed = passed_[size_];
            make_words(passed.words);
            ++counts_.generated;
            views_.assign(passed.words.begin(), passed.words.end());
            const auto command = RawCommand::parse(views_, options_.rules);
            if (!command) {
                ++counts_.refused;
                continue;
            }
            passed.spec = &command->spec();
            passed.block_time = command->block_time();
            if (passed.spec->policy >= Policy::typed_only) deviate("a refused command was let through", passed.words);
            passed.bytes.resize(encoded_bound(command->spec(), command->arguments(), prefix_));
            const char* const end = encode(command->spec(), command->arguments(), prefix_, passed.bytes.data());
            passed.bytes.resize(static_cast<std::size_t>(end - passed.bytes.data()));
            ++counts_.accepted;
            counts_.commands_accepted[static_cast<std::size_t>(passed.spec - command_table().data())] = true;
            ++size_;
        }
    }

    /// Inside MULTI nothing waits.
    static std::size_t append_call(std::string& out, const Passed& passed) {
        if (passed.block_time == Duration::zero()) {
            out += passed.bytes;
            return 1;
        }
        out += "*1\r\n$5\r\nMULTI\r\n";
        out += passed.bytes;
        out += "*1\r\n$4\r\nEXEC\r\n";
        return 3;
    }

    void execute() {
        requests_.clear();
        expected_.clear();
        for (std::size_t i = 0; i < size_; ++i) {
            append_question(requests_, passed_[i].bytes);
            expected_.push_back({i, true, true});
            const std::size_t replies = append_call(requests_, passed_[i]);
            for (std::size_t reply = 1; reply <= replies; ++reply) expected_.push_back({i, false, reply == replies});
        }
        std::size_t at = 0;
        link_.exchange(requests_, expected_.size(), [&](std::string_view frame) { take(expected_[at++], frame); });
        for (std::size_t i = 0; i < size_; ++i) {
            const Duration wait = passed_[i].block_time;
            if (wait > Duration::zero() && wait <= really_waited && random_.one_in(64)) wait_for(passed_[i]);
            journal_.push_back(std::move(passed_[i]));
            passed_[i] = {};
        }
    }

    struct Expected {
        std::size_t passed;
        bool question;
        bool last;
    };

    void take(const Expected& expected, std::string_view frame) {
        const Passed& passed = passed_[expected.passed];
        if (expected.question) return take_keys(passed, frame);
        if (expected.last) take_reply(passed, frame);
    }

    /// The keys that the server sees.
    void take_keys(const Passed& passed, std::string_view frame) {
        ReplyCursor cursor(frame);
        const ReplyNode head = cursor.next();
        if (head.is_error()) {
            ++counts_.without_keys;
            return;
        }
        for (std::int64_t i = 0; i < head.integer; ++i) {
            cursor.next();  // the pair
            const std::string_view key = cursor.next().text;
            cursor.skip();
            ++counts_.keys_seen;
            if (!key.starts_with(own_prefix)) {
                deviate("the server sees a key without the prefix", passed.words, std::string(key));
            }
        }
    }

    void take_reply(const Passed& passed, std::string_view frame) {
        if (::memmem(frame.data(), frame.size(), keyspace_.mark().data(), keyspace_.mark().size()) != nullptr) {
            deviate("a reply holds what belongs to another", passed.words);
        }
        if (passed.block_time != Duration::zero() && frame.starts_with("*1\r\n")) frame.remove_prefix(4);
        if (frame[0] == '-') {
            ++counts_.server_errors;
            return;
        }
        if (passed.spec->reply == ReplyRule::none) return;
        ReplyCursor cursor(frame);
        Value value;
        std::size_t dropped = 0;
        const ReadOutcome outcome = isolation::read_raw_reply(cursor, prefix_, passed.spec->reply, value, &dropped);
        if (!outcome) deviate("a reply that its rule cannot read", passed.words, std::string(outcome.expected()));
        if (dropped != 0) deviate("a reply names what belongs to another", passed.words);
    }

    /// On a connection that nobody uses afterwards.
    void wait_for(const Passed& passed) {
        Link alone(socket_path_);
        alone.exchange(passed.bytes, 1, [&](std::string_view frame) {
            if (frame.find(keyspace_.mark()) != std::string_view::npos) {
                deviate("a reply holds what belongs to another", passed.words);
            }
        });
        ++counts_.waited;
    }

    void check() {
        ++counts_.checks;
        const std::vector<std::string> found = keyspace_.changes();
        if (found.empty()) {
            keyspace_.restore_own();
        } else {
            const std::optional<std::size_t> culprit = find_culprit();
            for (const std::string& change : found) {
                deviate("what belongs to another was changed", culprit ? journal_[*culprit].words : Words{}, change);
            }
            if (!culprit) fmt::print(stderr, "  by one of {} commands, but not again\n", journal_.size());
            keyspace_.restore();
        }
        journal_.clear();
        // Replies of both protocols.
        resp3_ = !resp3_;
        link_.exchange(resp3_ ? "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n" : "*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n", 1,
                       [](std::string_view) {});
    }

    /// The first call of the journal after which something foreign has changed, by halving.
    std::optional<std::size_t> find_culprit() {
        std::size_t innocent = 0;
        std::size_t guilty = journal_.size();
        if (!replay(guilty)) return std::nullopt;
        while (guilty - innocent > 1) {
            const std::size_t middle = innocent + (guilty - innocent) / 2;
            (replay(middle) ? guilty : innocent) = middle;
        }
        return guilty - 1;
    }
    bool replay(std::size_t count) {
        keyspace_.restore();
        std::string bytes;
        std::size_t replies = 0;
        for (std::size_t i = 0; i < count; ++i) replies += append_call(bytes, journal_[i]);
        link_.exchange(bytes, replies, [](std::string_view) {});
        return !keyspace_.changes().empty();
    }

    const Options& options_;
    std::string socket_path_;
    Random random_;
    Grammar grammar_;
    KeyPrefix prefix_{std::string(own_prefix)};
    Keyspace keyspace_;
    Link link_;
    bool resp3_ = false;
    Counts counts_;
    std::uint64_t deviations_ = 0;
    std::vector<Passed> passed_;
    std::size_t size_ = 0;
    std::vector<std::string_view> views_;
    std::string requests_;
    std::vector<Expected> expected_;
    std::vector<Passed> journal_;  // since the last check
};

EmbeddedServer start_server(const Options& options) {
    EmbeddedServerOptions given;
    given.program =
        options.server == "redis" || options.server == "valkey" ? options.server + "-server" : options.server;
    given.max_memory = "1gb";
    // Small values, so that no call makes a large one; a quick clock, so that waits are short.
    given.extra_arguments = {"--maxmemory-policy",   "noeviction", "--save", "",   "--databases", "2",
                             "--proto-max-bulk-len", "1mb",        "--hz",   "500"};
    given.start_timeout = 30s;
    return EmbeddedServer(std::move(given));
}

void report(const Options& options, const std::string& server, const Counts& counts, double seconds) {
    std::size_t allowed = 0;
    std::size_t reached = 0;
    for (const CommandSpec& spec : command_table()) {
        if (spec.policy >= Policy::typed_only) continue;
        ++allowed;
        reached += counts.commands_accepted[static_cast<std::size_t>(&spec - command_table().data())] ? 1 : 0;
    }
    std::uint64_t deviations = 0;
    for (const auto& [kind, count] : counts.deviations) deviations += count;
    const auto line = [](std::string_view name, std::uint64_t count) { fmt::print("{:<32} {}\n", name, count); };
    fmt::print("{:<32} {}\n", "server", server);
    line("seed", options.seed);
    line("generated", counts.generated);
    line("of them mutated", counts.mutated);
    line("refused", counts.refused);
    line("accepted and executed", counts.accepted);
    fmt::print("{:<32} {} of {}\n", "allowed commands accepted", reached, allowed);
    line("server errors", counts.server_errors);
    line("keys that the server saw", counts.keys_seen);
    line("calls without a key, it said", counts.without_keys);
    line("waits on a connection alone", counts.waited);
    line("checks of all canaries", counts.checks);
    line("deviations", deviations);
    for (const auto& [kind, count] : counts.deviations) line("  " + kind, count);
    fmt::print("{:<32} {:.1f}\n", "seconds", seconds);
}

}  // namespace
}  // namespace redoubt::isolation_fuzz

int main(int count, char** words) {
    namespace fuzz = redoubt::isolation_fuzz;
    fuzz::Options options;
    std::map<std::string, fuzz::Rules> sabotages;
    for (std::size_t i = 0; i < fuzz::rule_names.size(); ++i) {
        sabotages.emplace(fuzz::rule_names[i], fuzz::Rules().without(static_cast<fuzz::Rule>(i)));
    }
    CLI::App app("Searches for words that bring a project to the keys of others");
    app.add_option("commands", options.commands, "how many to generate")->capture_default_str();
    app.add_option("--seed", options.seed, "of everything random but the mark in foreign values");
    app.add_option("--server", options.server, "redis, valkey, or a program");
    std::string sabotage;
    app.add_option("--sabotage", sabotage, "turn a rule of the parser off: it must then fail")
        ->check(CLI::IsMember(sabotages));
    CLI11_PARSE(app, count, words);
    if (!sabotage.empty()) {
        options.rules = sabotages.at(sabotage);
        options.enough = 1;
    }
    try {
        redoubt::EmbeddedServer server = fuzz::start_server(options);
        fuzz::Fuzzer fuzzer(options, server.socket_path());
        const redoubt::TimePoint begin = redoubt::Clock::now();
        const bool clean = fuzzer.run();
        const std::chrono::duration<double> seconds = redoubt::Clock::now() - begin;
        fuzz::report(options, server.version(), fuzzer.counts(), seconds.count());
        return clean ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "redoubt_isolation_fuzz: " << error.what() << '\n';
        return 1;
    }
}
