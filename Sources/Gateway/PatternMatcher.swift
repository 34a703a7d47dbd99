import CPCRE2
import JSONSchema
import Synchronization

// Theory of operation.
//
// A caller's pattern meets a caller's text, so the work of one match is bounded three times over (K10): steps, backtracking
// depth and memory. PCRE2 counts steps anew for each place at which a match may begin; so that the whole stays bounded,
// the steps are divided among the places, and a text with too many of them is not tried at all.
//
// The interpreter is used and not the just-in-time compiler. That one needs memory that is writable and executable, which
// hardened services are denied (systemd's MemoryDenyWriteExecute), it knows no depth or heap limit, and patterns on
// fields of records are short: what it would save is less than reading the record.
//
// Patterns are meant as in ECMA-262 but nothing is translated; options choose the same meaning where PCRE2 has one:
// `$` is the very end, `\u0041` and `\x41` are escapes, `[]` is an empty class, a group that did not take part matches
// empty, `\d`, `\w` and `\s` are ASCII. Lookbehind, `\p{L}` and Unicode text work; `\p{Letter}` (the long names) does not.
//
// Pointers are not Sendable, and rightly so in general. Compiled code is never written after it was made and may be used
// by any thread (pcre2api(3), "MULTITHREADING"), so it is held as the bits of its address, which are. What a match
// writes to (its workspace) belongs to one match at a time: it is taken out of an atomic slot and put back; who finds the
// slot empty makes a workspace of his own. On one thread nothing is allocated after the first match, except by growth.

/// The product's patterns, by PCRE2.
///
/// Every `CompiledSchema` of a process may share one.
package struct PatternMatcher: PatternCompiler {
    /// Longest pattern, in bytes.
    package static let patternCeiling = 1_000
    /// Groups inside each other in a pattern.
    static let nestingCeiling: UInt32 = 50
    /// Steps for one text, divided among the places where a match may begin. A step takes about 10 ns.
    static let stepCeiling = 50_000
    /// Fewest steps at one place: enough for a field pattern that is not anchored.
    static let stepFloor = 200
    /// Longest text, in bytes, that is searched for a pattern without an anchor.
    static let searchCeiling = 16_384
    /// Places to go back to that may wait at one time.
    static let depthCeiling: UInt32 = 20_000
    /// Memory of a match, in KiB.
    static let heapCeiling: UInt32 = 4_096

    private let workspaces: PatternWorkspaces

    /// Nil only if there is no memory.
    package init?() {
        guard let workspaces = PatternWorkspaces() else { return nil }
        self.workspaces = workspaces
    }

    /// - Throws: `PatternRefused`: over `patternCeiling`, malformed, or larger than PCRE2 compiles (64 KiB of code).
    package func compile(_ pattern: String) throws(PatternRefused) -> any PatternMatching {
        guard pattern.utf8.count <= Self.patternCeiling else {
            throw PatternRefused(reason: "it is longer than \(Self.patternCeiling) bytes")
        }
        var code: Int32 = 0
        var offset = 0
        var pattern = pattern
        let compiled = pattern.withUTF8 { text in
            pcre2_compile_8(
                text.baseAddress ?? PatternWorkspaces.nothing, text.count, Self.options, &code, &offset,
                workspaces.compileContext)
        }
        guard let compiled else { throw PatternRefused(reason: Self.message(code), offset: offset) }
        return CompiledPattern(compiled, workspaces: workspaces)
    }

    /// Not in the pattern's own hands: `\C` would split a character, `(*UTF)` and `(*UCP)` would change the meaning.
    private static let options =
        PCRE2_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY
        | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF

    /// PCRE2's sentence about the pattern, for example "missing closing parenthesis".
    private static func message(_ code: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 256)
        let length = pcre2_get_error_message_8(code, &text, text.count)
        guard length > 0 else { return "error \(code)" }
        return String(decoding: text.prefix(Int(length)), as: UTF8.self)
    }
}

/// One compiled pattern. Frees its code at the end.
private final class CompiledPattern: PatternMatching {
    /// Address of a `pcre2_code`; written by nobody.
    private let code: UInt
    /// It can match at the beginning of the text only.
    private let isAnchored: Bool
    private let workspaces: PatternWorkspaces

    init(_ compiled: OpaquePointer, workspaces: PatternWorkspaces) {
        code = UInt(bitPattern: compiled)
        var options: UInt32 = 0
        pcre2_pattern_info_8(compiled, UInt32(PCRE2_INFO_ALLOPTIONS), &options)
        isAnchored = options & PCRE2_ANCHORED != 0
        self.workspaces = workspaces
    }

    deinit { pcre2_code_free_8(OpaquePointer(bitPattern: code)) }

    func matches(_ text: UnsafeRawBufferPointer) -> Bool? {
        if !isAnchored && text.count > PatternMatcher.searchCeiling { return nil }
        let places = isAnchored ? 1 : text.count + 1
        let steps = max(PatternMatcher.stepFloor, PatternMatcher.stepCeiling / places)
        guard let workspace = workspaces.take() else { return nil }
        defer { workspaces.put(workspace) }
        pcre2_set_match_limit_8(workspace.pointee.context, UInt32(steps))
        // The scanner has checked the text: it is UTF-8 without lone surrogates.
        let result = pcre2_match_8(
            OpaquePointer(bitPattern: code), text.bindMemory(to: UInt8.self).baseAddress ?? PatternWorkspaces.nothing,
            text.count, 0, PCRE2_NO_UTF_CHECK, workspace.pointee.data, workspace.pointee.context)
        // 0: matched, with more groups than the workspace has room for; they are not asked for.
        if result >= 0 { return true }
        return result == PCRE2_ERROR_NOMATCH ? false : nil
    }
}

/// What matches write to, and how patterns are compiled.
private final class PatternWorkspaces: Sendable {
    /// A place for the one pair of offsets that is asked for, and the context with the limits.
    struct Workspace {
        let data: OpaquePointer
        let context: OpaquePointer
    }

    /// Address of a spare workspace; 0 if there is none.
    private let spare = Atomic<UInt>(0)
    /// Address of a `pcre2_compile_context`; written in `init` only.
    private let compileBits: UInt

    init?() {
        guard let context = pcre2_compile_context_create_8(nil) else { return nil }
        pcre2_set_parens_nest_limit_8(context, PatternMatcher.nestingCeiling)
        pcre2_set_max_pattern_length_8(context, PatternMatcher.patternCeiling)
        pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_ANYCRLF))
        // `\u{1F600}`, which ECMAScript has since its sixth edition.
        pcre2_set_compile_extra_options_8(context, PCRE2_EXTRA_ALT_BSUX)
        compileBits = UInt(bitPattern: context)
    }

    deinit {
        pcre2_compile_context_free_8(compileContext)
        Self.free(spare.load(ordering: .acquiring))
    }

    var compileContext: OpaquePointer? { OpaquePointer(bitPattern: compileBits) }

    /// The spare workspace or a new one; nil if there is no memory.
    func take() -> UnsafeMutablePointer<Workspace>? {
        if let spare = UnsafeMutablePointer<Workspace>(bitPattern: spare.exchange(0, ordering: .acquiring)) {
            return spare
        }
        guard let data = pcre2_match_data_create_8(1, nil) else { return nil }
        guard let context = pcre2_match_context_create_8(nil) else {
            pcre2_match_data_free_8(data)
            return nil
        }
        pcre2_set_depth_limit_8(context, PatternMatcher.depthCeiling)
        pcre2_set_heap_limit_8(context, PatternMatcher.heapCeiling)
        let workspace = UnsafeMutablePointer<Workspace>.allocate(capacity: 1)
        workspace.initialize(to: Workspace(data: data, context: context))
        return workspace
    }

    /// Keeps the workspace for the next match; one that was kept meanwhile is freed.
    func put(_ workspace: UnsafeMutablePointer<Workspace>) {
        Self.free(spare.exchange(UInt(bitPattern: workspace), ordering: .acquiringAndReleasing))
    }

    private static func free(_ bits: UInt) {
        guard let workspace = UnsafeMutablePointer<Workspace>(bitPattern: bits) else { return }
        pcre2_match_data_free_8(workspace.pointee.data)
        pcre2_match_context_free_8(workspace.pointee.context)
        workspace.deinitialize(count: 1)
        workspace.deallocate()
    }

    /// Where an empty text stands: PCRE2 wants an address for it too.
    static var nothing: UnsafePointer<UInt8> { ("" as StaticString).utf8Start }
}
