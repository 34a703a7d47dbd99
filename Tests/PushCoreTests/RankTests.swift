import Testing

@testable import PushCore

/// What a batch asks at a provider where every search counts.
@Suite struct RankTests {
    private static func batch(_ data: [String], ranks: Bool = true, match: String = "") throws -> Batch {
        var provider = Scene.provider()
        provider.ranksLookups = ranks
        let plan = try Scene.plan(match, provider: provider)
        let members = data.enumerated().map { place, data in
            Batch.Member(
                record: PreparedRecord(
                    Scene.row(data, ordinal: Int32(place)), plan: plan, disablesUpsert: false))
        }
        return Batch(
            id: 1, account: Scene.account, key: Lane.BatchKey(resource: "contacts", namespace: ""), began: 0,
            members: members)
    }

    /// What is asked next, as `field=value`; nil when all is known.
    private static func next(_ batch: inout Batch) -> [String]? {
        guard batch.ask() else { return nil }
        return batch.question?.searches.map { "\($0.field)=\($0.value)" }
    }

    private static let whole = #"{"email":"a@x","phone":"12345","first_name":"A","last_name":"B"}"#

    @Test func aWeakerKeyIsAskedOnlyWhenAStrongerOneHasNotSettledIt() throws {
        var batch = try Self.batch([Self.whole, #"{"email":"b@x","phone":"67890"}"#])
        #expect(Self.next(&batch) == ["email=a@x", "email=b@x"])
        batch.note(Scene.answer([try Scene.known("1", "{}")], ["email=b@x": ["1"]]))
        #expect(Self.next(&batch) == ["phone=12345"])
        batch.note(Scene.answer([]))
        #expect(Self.next(&batch) == ["full_name=a b"])
        batch.note(Scene.answer([]))
        #expect(Self.next(&batch) == nil)
    }

    @Test func severalFoundAreNarrowedByTheNextKey() throws {
        var batch = try Self.batch([Self.whole])
        _ = Self.next(&batch)
        batch.note(Scene.answer([try Scene.known("1", "{}"), try Scene.known("2", "{}")], ["email=a@x": ["1", "2"]]))
        #expect(Self.next(&batch) == ["phone=12345"])
        batch.note(Scene.answer([try Scene.known("2", "{}")], ["phone=12345": ["2"]]))
        #expect(Self.next(&batch) == nil)
    }

    @Test func whatAnotherMemberFoundByAWeakerKeyDoesNotCountBefore() throws {
        // The second has no e-mail, so its phone, which the first has as well, is asked at once.
        var batch = try Self.batch([Self.whole, #"{"phone":"12345","note":"n"}"#])
        #expect(Self.next(&batch) == ["email=a@x", "phone=12345"])
        let both = [try Scene.known("1", "{}"), try Scene.known("2", "{}")]
        batch.note(Scene.answer(both, ["email=a@x": ["1"], "phone=12345": ["2"]]))
        #expect(Self.next(&batch) == nil)
        let first = DecisionInput(
            record: batch.members[0].record, remembered: nil, answer: batch.answer, links: [], hasSearched: false)
        #expect(first.decide().target == "1")
    }

    @Test func elsewhereAllKeysAreAskedAtOnce() throws {
        var batch = try Self.batch([Self.whole], ranks: false)
        #expect(Self.next(&batch) == ["email=a@x", "phone=12345", "full_name=a b"])
        batch.note(Scene.answer([]))
        #expect(Self.next(&batch) == nil)
    }

    @Test func aSessionsOwnKeysKeepTheirOrder() throws {
        var batch = try Self.batch([Self.whole], match: #""match":["full_name","email"],"#)
        #expect(Self.next(&batch) == ["full_name=a b"])
        batch.note(Scene.answer([]))
        #expect(Self.next(&batch) == ["email=a@x"])
        batch.note(Scene.answer([]))
        #expect(Self.next(&batch) == nil)
    }
}
