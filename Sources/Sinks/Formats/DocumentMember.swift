// SPDX-License-Identifier: Apache-2.0
import Events

/// One member of a mapped document: where it stands, what its value is, and when it is there.
///
/// A member of a field is there when the event has the field, a constant always; conditions take
/// it away again.
struct DocumentMember: Sendable {
    /// The dotted path. A part `name[]` is an array of one object.
    let path: String
    /// How the value is made.
    let form: DocumentForm
    /// What must be so.
    let needs: EventFacts
    /// What must not be so.
    let excludes: EventFacts
    /// The event must have none of these.
    let without: [Field]
    /// The classes of events that have it, in a model that has classes.
    let classes: Set<OCSFClass>

    /// A member made of the field in whose row it stands.
    static func at(
        _ path: String, _ form: DocumentForm = .copy, in classes: Set<OCSFClass> = every,
        when needs: EventFacts = [], unless excludes: EventFacts = [], without: [Field] = []
    ) -> DocumentMember {
        DocumentMember(
            path: path, form: form, needs: needs, excludes: excludes, without: without,
            classes: classes)
    }

    /// A member with the same value in every document, as JSON.
    static func constant(
        _ path: String, _ value: String, in classes: Set<OCSFClass> = every,
        when needs: EventFacts = [], unless excludes: EventFacts = [], without: [Field] = []
    ) -> DocumentMember {
        at(
            path, .constant(value), in: classes, when: needs, unless: excludes, without: without)
    }

    static let every = Set(OCSFClass.allCases)
}

/// How the value of a member is made.
enum DocumentForm: Sendable {
    /// The value of the field, verbatim.
    case copy
    /// This JSON.
    case constant(String)
    /// What the row of the action says, as JSON.
    case byAction(@Sendable (ActionEntry) -> String)
    /// What goes with the outcome, as JSON.
    case byOutcome(@Sendable (Outcome) -> String)
    /// What goes with the severity, as JSON.
    case bySeverity(@Sendable (Severity) -> String)
    /// JSON for some words of the field and for all others, which are copied where it is nil.
    ///
    /// Only words of at most `QuotedWord.byteLimit` bytes can be told apart.
    case translated([(StaticString, StaticString)], otherwise: StaticString?)
    /// The set of the values of all fields that have a member of this path and form.
    case gathered
    /// The first value, among those of all fields with this path and form, that is a fingerprint.
    case pseudonym
    /// The first text of a set.
    case first
    /// A moment as milliseconds since 1970, cut.
    case milliseconds
    /// A map as a set of `key:value`.
    case pairs
    /// A set of texts as objects of the one member `uid`.
    case identifiers
    /// Methods of authentication as `auth_factor` objects of OCSF.
    case factors
    /// The signed bytes as one string.
    case signedBytes
    /// The leaf in hexadecimal.
    case leaf
    /// The number in the stream.
    case sequence
    /// Stream, number and proof. It must be the last member of its document.
    case integrity
}

/// What can be so about an event, beside which fields it has.
enum EventFact: Int, Sendable, CaseIterable {
    case isSealed
    case actorIsSystem, actorIsPseudonym
    case targetIsUser, targetIsGroup, targetIsAgent

    // What follows is asked by OCSF alone.

    /// The class has no activity of its own for the action.
    case activityIsOther
    /// The actor has an id, a name or an e-mail address.
    case actorIsNamed
    /// Nobody is named, or a type alone.
    case actorIsUnknown
    /// The e-mail address is all that is known.
    case actorIsAddress, targetIsAddress
    /// OCSF takes the e-mail address for one: a fingerprint is none.
    case actorEmailIsValid, targetEmailIsValid
    /// HTTP has such a method.
    case methodIsKnown

    /// Whom the event is about.
    case userIsActor, userIsTarget, userIsClient, userIsUnknown
    /// What the event is about.
    case entityIsTarget, entityIsClient, entityIsKind, entityIsUnknown
    /// Which group it is about: the target, or the first of what was added or removed.
    case groupIsTarget, groupIsAdded, groupIsRemoved, groupIsUnknown
    /// Who joined or left the group that is the target: the first of what was added or removed.
    case memberIsAdded, memberIsRemoved
    /// Where the privileges stand.
    case privilegesAreAdded, privilegesAreRemoved, privilegesAreGranted, privilegesAreRequested
    case privilegesAreTarget, privilegesAreUnknown
    /// What the privileges are for, where no client is named.
    case resourceIsTarget, hasResource
    /// The target has no other place in the document.
    case targetIsUnplaced
    /// At least one method is a factor that OCSF speaks of.
    case hasFactors
    /// Several factors took part, or only one; neither where nothing says so.
    case isMultiFactor, isSingleFactor
    /// OAuth 2.0 without OpenID Connect.
    case isPlainOAuth
    case isImpersonation

    /// The condition as it stands in the documentation; nil where the path says enough.
    var phrase: String {
        switch self {
        case .isSealed: "the event is sealed"
        case .actorIsSystem: "the actor is the product itself"
        case .actorIsPseudonym: "the actor is a fingerprint"
        case .targetIsUser: "the target is a user"
        case .targetIsGroup: "the target is a group"
        case .targetIsAgent: "the target is the agent"
        case .activityIsOther: "the class has no such activity"
        case .actorIsNamed: "the actor is named"
        case .actorIsUnknown: "nobody is named"
        case .actorIsAddress: "the actor has no id and no name"
        case .targetIsAddress: "the target has no id and no name"
        case .actorEmailIsValid, .targetEmailIsValid: "it has the form of an address"
        case .methodIsKnown: "HTTP has such a method"
        case .userIsActor: "the event is about the actor"
        case .userIsTarget: "the event is about the target"
        case .userIsClient: "the event is about the client"
        case .userIsUnknown: "no user is named"
        case .entityIsTarget: "the target is named"
        case .entityIsClient: "only the client is named"
        case .entityIsKind: "only the kind of the target is known"
        case .entityIsUnknown: "no target is named"
        case .groupIsTarget: "the target is a group"
        case .groupIsAdded, .groupIsRemoved: "the target is a user"
        case .groupIsUnknown: "no group is named"
        case .memberIsAdded, .memberIsRemoved: "the target is a group"
        case .privilegesAreAdded, .privilegesAreRemoved: "a role was granted or revoked"
        case .privilegesAreGranted: "scopes were granted"
        case .privilegesAreRequested: "no scopes were granted"
        case .privilegesAreTarget: "the role is the target"
        case .privilegesAreUnknown: "no privilege is named"
        case .resourceIsTarget: "the client is the target"
        case .hasResource: "a client is named"
        case .targetIsUnplaced: "the target has no other place"
        case .hasFactors: "a factor is among them"
        case .isMultiFactor: "several factors took part"
        case .isSingleFactor: "one factor took part"
        case .isPlainOAuth: "OpenID Connect took no part"
        case .isImpersonation: "somebody was impersonated"
        }
    }
}

/// A set of facts.
struct EventFacts: Sendable, Equatable, ExpressibleByArrayLiteral {
    private(set) var bits: UInt64 = 0

    init(arrayLiteral facts: EventFact...) {
        for fact in facts { insert(fact) }
    }

    @inline(__always)
    mutating func insert(_ fact: EventFact) { bits |= 1 &<< UInt64(fact.rawValue) }

    @inline(__always)
    func contains(_ fact: EventFact) -> Bool { bits &>> UInt64(fact.rawValue) & 1 == 1 }

    /// Adds or not.
    @inline(__always)
    mutating func insert(_ fact: EventFact, if isSo: Bool) {
        if isSo { insert(fact) }
    }
}
