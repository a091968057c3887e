// fuzz: what must hold of the codec for any bytes. Each check returns what is wrong, or nothing; the fuzzers
// abort on it and the corpus test reports it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/json/parse.hpp>

#include <redoubt/resp/cmd.hpp>

#include "resp/scanner.hpp"

namespace redoubt::fuzz {

using resp::ReplyScanner;

/// Small, so that a fuzzer reaches every limit.
inline ReplyLimits small_limits() {
    return {.max_bulk_bytes = 300, .max_reply_bytes = 900, .max_elements = 60, .max_depth = 6};
}

/// What a scan came to. Sizes count only after `complete`, texts only after `error`.
struct ScanResult {
    ReplyScanner::Status status{};
    std::size_t size = 0;
    bool push = false;
    bool over_limit = false;
    std::string error;
    std::size_t needed = 0;
    friend bool operator==(const ScanResult&, const ScanResult&) = default;
};

inline ScanResult result_of(const ReplyScanner& scanner, ReplyScanner::Status status) {
    ScanResult result;
    result.status = status;
    if (status == ReplyScanner::Status::complete) {
        result.size = scanner.size();
        result.push = scanner.is_push();
    } else if (status == ReplyScanner::Status::error) {
        result.over_limit = scanner.over_limit();
        result.error = scanner.error();
    } else {
        result.needed = scanner.needed();
    }
    return result;
}

/// One frame by pieces whose sizes `next_piece` names; stops at the first end. Checks on the way that
/// `needed` is true: more than what was there, and no more than the frame's size.
template <class NextPiece>
ScanResult scan_in_pieces(const ReplyLimits& limits, std::string_view bytes, NextPiece next_piece, std::string& fault) {
    ReplyScanner scanner{limits};
    std::size_t given = 0;
    std::size_t most_needed = 0;
    for (;;) {
        // A copy of its own size, so that a sanitizer sees a look behind what has been received.
        const std::unique_ptr<char[]> copy{new char[given]};
        bytes.copy(copy.get(), given);
        const ReplyScanner::Status status = scanner.scan({copy.get(), given});
        const ScanResult result = result_of(scanner, status);
        if (status == ReplyScanner::Status::need_more) {
            if (result.needed <= given) fault = "needed() is no more than what was there";
            most_needed = std::max(most_needed, result.needed);
            if (given == bytes.size()) return result;
            given = std::min(bytes.size(), given + std::max<std::size_t>(1, next_piece()));
            continue;
        }
        if (status == ReplyScanner::Status::complete && most_needed > result.size) {
            fault = "needed() was more than the frame's size";
        }
        return result;
    }
}

/// Frames end at the same place however the bytes arrive, and a cursor walks each to exactly its end.
inline std::string check_scanner(std::string_view bytes, const ReplyLimits& limits) {
    std::string fault;
    ReplyScanner reused{limits};
    for (;;) {
        const ReplyScanner::Status status = reused.scan(bytes);
        const ScanResult whole = result_of(reused, status);
        std::uint32_t seed = static_cast<std::uint32_t>(bytes.size()) * 2654435761u + 12345u;
        const auto random_piece = [&seed] {
            seed = seed * 1664525u + 1013904223u;
            return std::size_t{(seed >> 24) % 23 + 1};
        };
        const std::size_t enough = std::min<std::size_t>(bytes.size(), 2 * limits.max_reply_bytes);
        const std::string_view tried = bytes.substr(0, enough);
        if (enough == bytes.size() || status != ReplyScanner::Status::need_more) {
            if (scan_in_pieces(
                    limits, tried, [] { return std::size_t{1}; }, fault) != whole) {
                return "byte by byte gives another result";
            }
            if (scan_in_pieces(limits, tried, random_piece, fault) != whole) return "pieces give another result";
            if (scan_in_pieces(
                    limits, tried, [enough] { return enough; }, fault) != whole) {
                return "a fresh scanner gives another result";
            }
        }
        if (!fault.empty()) return fault;
        if (status == ReplyScanner::Status::error) {
            if (whole.error.empty()) return "an error without a text";
            if (reused.scan(bytes) != ReplyScanner::Status::error) return "an error did not last";
            return {};
        }
        if (status == ReplyScanner::Status::need_more) return {};
        if (whole.size == 0 || whole.size > bytes.size()) return "a frame's size is impossible";
        if (whole.size > limits.max_reply_bytes) return "a frame is over the limit";

        const std::string_view frame = bytes.substr(0, whole.size);
        ReplyCursor walk{frame};
        std::int64_t open = 1;
        for (; open != 0; --open) {
            if (walk.at_end()) return "the cursor ended before its elements did";
            const ReplyNode ahead = walk.peek();
            const ReplyNode node = walk.next();
            if (ahead.type != node.type || ahead.text != node.text || ahead.integer != node.integer) {
                return "peek and next disagree";
            }
            if (node.type == RespType::attribute) return "the cursor showed an attribute";
            open += node.children();
        }
        if (!walk.at_end()) return "the cursor did not reach the end";
        ReplyCursor skip{frame};
        skip.skip();
        if (!skip.at_end()) return "skip did not reach the end";
        bytes.remove_prefix(whole.size);
    }
}

/// Reads a frame as a T: any outcome is fine, as long as the cursor has passed the frame and a refusal says
/// what was expected.
template <class T>
std::string check_reader(std::string_view frame, const KeyPrefix& prefix) {
    ReplyCursor cursor{frame};
    T out{};
    const ReadOutcome outcome = read_reply(cursor, prefix, out);
    if (!cursor.at_end()) return "a reader did not pass the whole reply";
    if (outcome.status() == ReadOutcome::Status::mismatch && outcome.expected().empty())
        return "a mismatch without a text";
    if constexpr (std::is_same_v<T, Value>) {
        if (!outcome) return {};  // a double beyond 64 bits
        const Value copy = out;
        if (copy.elements.size() != out.elements.size()) return "a copy differs";
        if (to_cli_text(out) != to_cli_text(copy)) return "a value prints in two ways";
        boost::json::error_code error;
        boost::json::parse_options options;
        options.max_depth = 256;
        boost::json::parse(to_json_text(out), error, {}, options);
        if (error) return "to_json_text is not JSON: " + error.message();
    } else if constexpr (requires {
                             out.size();
                             out.reserve(1);
                         } &&
                         !std::is_same_v<T, std::string>) {
        if (outcome && out.size() > frame.size() / 3) return "a reader made elements up";
    }
    return {};
}

template <class... T>
std::string check_readers_of(std::string_view frame, const KeyPrefix& prefix) {
    std::string fault;
    // The fold stops at the first that has something to say.
    static_cast<void>(((fault = check_reader<T>(frame, prefix), fault.empty()) && ...));
    return fault;
}

/// Every reader on every complete frame.
inline std::string check_read_reply(std::string_view bytes, const ReplyLimits& limits) {
    const KeyPrefix prefix{"proj:a:"};
    ReplyScanner scanner{limits};
    while (scanner.scan(bytes) == ReplyScanner::Status::complete) {
        const std::string_view frame = bytes.substr(0, scanner.size());
        std::string fault =
            check_readers_of<Value, Ok, std::string, std::optional<std::string>, std::int64_t,
                             std::optional<std::int64_t>, double, std::optional<double>, bool, std::vector<std::string>,
                             std::vector<std::optional<std::string>>, std::vector<std::optional<double>>,
                             std::vector<std::int64_t>, std::vector<bool>, StringMap,
                             std::vector<std::pair<std::string, std::string>>, std::vector<ScoredMember>, ScanPage,
                             HashScanPage, SetScanPage, SortedSetScanPage, KeyTtl>(frame, prefix);
        if (fault.empty()) {
            fault = check_readers_of<std::vector<std::optional<std::int64_t>>, LcsMatches,
                                     std::vector<std::optional<GeoPoint>>, std::vector<GeoMatch>,
                                     std::vector<StreamEntry>, std::vector<StreamEntries>, StreamInfo, PendingSummary,
                                     std::vector<PendingEntry>, AutoclaimPage, AutoclaimIds,
                                     std::vector<StreamGroupInfo>, std::vector<StreamConsumerInfo>>(frame, prefix);
        }
        if (!fault.empty()) return fault;
        bytes.remove_prefix(frame.size());
    }
    return {};
}

}  // namespace redoubt::fuzz
