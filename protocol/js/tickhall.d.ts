/** Decodes one msgpack value that fills the bytes. @param {Uint8Array} bytes @returns {any} */
export function decode(bytes: Uint8Array): any;
/**
 * Encodes a value as msgpack: null, booleans, numbers, bigints, strings, Uint8Array, arrays and plain
 * objects. What is undefined is left out of an object, and null elsewhere.
 *
 * @param {unknown} value
 * @param {number} [levels] of arrays and objects that it may have; as many as a server may send by default
 */
export function encode(value: unknown, levels?: number | undefined): Uint8Array;
/**
 * The longest wait after a failed attempt, from 1. What is waited is random between 0 and this ("full jitter": Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog 2015), so that those whom a server has lost don't come back at once.
 * @param {number} attempt
 */
export function backoff(attempt: number): number;
/**
 * @typedef {object} ListOptions
 * @property {string | URL} url the server, such as location.origin
 * @property {string} [kind] only rooms of this kind
 * @property {Record<string, string | number | boolean>} [filter] only rooms whose listing data has these properties
 * @property {number} [limit] rooms at most in one answer
 * @property {string} [after] `next` of the answer before
 * @property {ConnectOptions["token"]} [token]
 * @property {AbortSignal} [signal]
 * @property {ConnectOptions["fetch"]} [fetch]
 * @property {ConnectOptions["setTimeout"]} [setTimeout]
 * @property {ConnectOptions["clearTimeout"]} [clearTimeout]
 */
/**
 * One listed room.
 * @typedef {object} RoomInfo
 * @property {string} id
 * @property {string} kind
 * @property {number} players seats taken or held
 * @property {number} maxPlayers
 * @property {number} spectators
 * @property {boolean} locked nobody may join at present
 * @property {boolean} password needed to join
 * @property {any} data what the game says about the room, or null
 */
/**
 * Asks for the rooms that are listed, a page at a time. Rejects with a TickhallError.
 *
 * @param {ListOptions} options
 * @returns {Promise<{rooms: RoomInfo[], next: string}>} next is empty on the last page
 */
export function listRooms(options: ListOptions): Promise<{
    rooms: RoomInfo[];
    next: string;
}>;
/**
 * Gets a seat in a room and resolves once its world is there. Rejects with a TickhallError whose code and
 * message tell why not. In mode "queue" that can take long: `onQueue` tells how it stands, `signal` ends it.
 *
 * @param {ConnectOptions} options
 * @returns {Promise<Room>}
 */
export function connect(options: ConnectOptions): Promise<Room>;
/** What a client does, in numbers: the same as in Go. protocol/README.md says what for. Times are in milliseconds. */
export const RULES: Readonly<{
    joinTimeout: 10000;
    pollTimeout: 25000;
    pollEvery: 250;
    leaveTimeout: 2000;
    backoffFirst: 250;
    backoffGrowth: 1.6;
    backoffSoon: 1200;
    soonTries: 60;
    backoffMost: 5000;
    stable: 5000;
    maxRetryAfter: 60000;
    maxForeign: 60;
    maxFaults: 5;
    timeEvery: 2000;
    timeBurst: 5;
    timeBurstEvery: 100;
    deadAfter: 6000;
    deadTimes: 3;
    rttWindow: 10000;
    rttSamples: 16;
    rttSlack: 1.2;
    rttMost: 30000;
    clockGain: 0.1;
    clockSnap: 250;
    delayTicks: 2;
    extrapolate: 250;
    history: 16;
    jumpFactor: 4;
    jumpSteps: 64;
    slack: 0.5;
    slackGain: 0.1;
    slackMost: 8;
    steerGain: 0.02;
    steerMost: 0.1;
    maxCatchUp: 4;
    keptInputs: 128;
    keptBytes: number;
    maxWaiting: 64;
    paceMessages: 60;
    paceMessagesBurst: 32;
    paceBytes: number;
    paceBytesBurst: number;
}>;
/** @typedef {"resume" | "match" | "stop"} Advice */
/**
 * Why something failed. `code` is stable and for programs: a code of the HTTP API ("server_full"), of an
 * ERROR that the game sent, the name of a close code ("kicked"), or one of the client's own: "network",
 * "timeout", "websocket", "redirected", "version", "protocol", "hash", "lost", "closed", "aborted", "token", "invalid",
 * "too_large", "backlog", "callback". `message` is for a person.
 */
export class TickhallError extends Error {
    /**
     * @param {string} code
     * @param {string} message
     * @param {{status?: number, advice?: Advice, retryAfter?: number, result?: unknown, cause?: unknown}} [more]
     */
    constructor(code: string, message: string, more?: {
        status?: number;
        advice?: Advice;
        retryAfter?: number;
        result?: unknown;
        cause?: unknown;
    } | undefined);
    code: string;
    /** HTTP status or WebSocket close code, 0 if there was none. */
    status: number;
    /** What a client does next: try the same again, match again, or leave it to the person. */
    advice: Advice;
    /** Milliseconds to wait before another try, 0 if the server named none. */
    retryAfter: number;
    /** The result that a room ended with, else null. @type {any} */
    result: any;
    /** What the game sent before it refused a join. @type {{name: string, body: any, tick: number}[]} */
    events: {
        name: string;
        body: any;
        tick: number;
    }[];
}
/**
 * Reader walks msgpack values in bytes that nobody vouches for. It checks each length against what is
 * left before it allocates, and throws a TickhallError of code "protocol" at the first fault.
 */
export class Reader {
    /** @param {Uint8Array} [bytes] */
    constructor(bytes?: Uint8Array | undefined);
    bytes: Uint8Array;
    at: number;
    /** @type {DataView | null} */
    view: DataView | null;
    /** Starts over with other bytes. @param {Uint8Array} bytes */
    reset(bytes: Uint8Array): void;
    /** How many bytes have not been read. */
    get rest(): number;
    /** Makes the error that the caller throws. @param {string} what */
    fault(what: string): TickhallError;
    /** Reads an integer at most 2^53 away from 0: the difference of two ints can be as large. */
    int(): number;
    /** Reads an integer from 0 to 2^32-1. */
    uint32(): number;
    /** Reads a float of either width, or an integer. */
    float(): number;
    bool(): boolean;
    /** Reads a str of valid UTF-8. @param {number} [max] bytes at most */
    string(max?: number | undefined): string;
    /** Reads an array's header: how many elements follow, never more than bytes are left. */
    array(): number;
    /**
     * Reads one value of any type that JavaScript has: null, boolean, number, string, Uint8Array, array or
     * object. An integer that a number can't hold becomes a bigint. Extension types are refused.
     *
     * @param {number} [levels] of arrays and maps that the value may have
     * @returns {any}
     */
    value(levels?: number | undefined): any;
    #private;
}
/**
 * Replica is the client's copy of a room's world. It applies KEY, DELTA and OWN exactly as the server
 * does, in the integers of the wire. After it threw, only a KEY makes it whole again.
 */
export class Replica {
    /**
     * @param {Reader} r stands before a schema, which is read
     * @param {number} rate ticks per second
     */
    constructor(r: Reader, rate: number);
    rate: number;
    /** The snapshot that it holds, 0 for none. */
    tick: number;
    /** The last KEY or DELTA that it took: what is to be acknowledged. */
    taken: number;
    /** The KEY of which parts have come: how many, of how many. */
    of: number;
    part: number;
    parts: number;
    /** @type {Store[]} */
    stores: Store[];
    /** Whether some parts of a KEY have come and some not. Meanwhile there is no world. */
    get partial(): boolean;
    /** Reads what follows the kind of a KEY, or of a part of one, of n elements. @param {Reader} r @param {number} n */
    key(r: Reader, n: number): void;
    /** Reads what follows the kind of a DELTA of n elements. @param {Reader} r @param {number} n */
    delta(r: Reader, n: number): number;
    /** Reads what follows the kind of an OWN of n elements. @param {Reader} r @param {number} n */
    own(r: Reader, n: number): {
        lastInput: number;
        slack: number;
    };
    /** What HASH is compared with. */
    checksum(): number;
    #private;
}
/**
 * RoomClock estimates the room's time, in milliseconds since its tick 0, from answers to TIME. An answer
 * counts if its round trip is within 1.2 times the shortest of the last 10 s: what took longer waited
 * somewhere, and nobody knows on which way (Mills, "Internet Time Synchronization: the Network Time Protocol", 1991,
 * calls it the minimum filter). A snapshot is never ahead of the room.
 */
export class RoomClock {
    /** Room time less local time, -Infinity while unknown. */
    offset: number;
    /** Half the round trip of the answers that count: how old a snapshot is when it arrives. */
    latency: number;
    /** Whether an answer has counted yet. */
    synced: boolean;
    /** Takes the time of a snapshot that has just arrived: the room's is at least that. @param {number} now @param {number} room */
    snapshot(now: number, room: number): void;
    /** Takes an answer to a TIME. @param {number} sent @param {number} received @param {number} room the room's time in between */
    add(sent: number, received: number, room: number): void;
    /** Forgets the round trips: the next connection may take another way. */
    reroute(): void;
    /** The room's time. @param {number} now */
    at(now: number): number;
    /** The room's time of which snapshots arrive now. @param {number} now */
    arriving(now: number): number;
    #private;
}
/**
 * Pulse tells whether a connection is dead: nothing has come for 6 s after a TIME, and three have gone unanswered. Both,
 * because a machine that slept finds much time gone by and answers not yet read.
 */
export class Pulse {
    /** When the first TIME was sent after which nothing has arrived. */
    since: number;
    /** Such TIMEs. */
    unanswered: number;
    /** Something has arrived. */
    heard(): void;
    /** Whether it is too late for another TIME. @param {number} now */
    dead(now: number): boolean;
    /** A TIME is sent. @param {number} now */
    asked(now: number): void;
}
/** Steering paces inputs so that about half a one waits at the room when it takes one. */
export class Steering {
    /** How many inputs waited, smoothed. */
    slack: number;
    /** Takes what the room tells. @param {number} slack */
    told(slack: number): void;
    /** How many ticks lie between two inputs. */
    get period(): number;
}
/** Pacer spreads what has waited for the connection, so that the server's limits are kept: 60 messages and 16 KiB a second. */
export class Pacer {
    /**
     * Milliseconds until a message of so many bytes may be sent. 0: it is sent now.
     * @param {number} now @param {number} bytes at most MAX_INBOUND
     */
    take(now: number, bytes: number): number;
    #private;
}
/**
 * Playhead is the moment that is being shown. It follows a target at a pace within 10 % of real time, so
 * that corrections of the clock don't show; it jumps forward when far behind, and waits when far ahead.
 */
export class Playhead {
    at: number;
    now: number;
    /** @param {number} now @param {number} target both in milliseconds */
    advance(now: number, target: number): number;
}
/**
 * Track is what interpolation keeps of an entity: its last values, and what the page is shown.
 * @typedef {object} Track
 * @property {Row} row
 * @property {Float64Array} n HISTORY times the row's numbers
 * @property {string[] | null} s likewise its strings
 * @property {number} born serial of the snapshot in which it entered
 * @property {number} died serial of the snapshot in which it left, Infinity before
 * @property {Entity} entity
 */
/**
 * Shown is a table of a View.
 * @typedef {object} Shown
 * @property {Map<number, Entity>} entities
 * @property {Map<number, Track>} shown the tracks whose entities those are
 * @property {Listeners<ViewEvent>} listeners
 * @property {ViewTable<any>} table
 * @property {Track[]} tracks oldest first
 */
/**
 * View is the world as it was a moment ago, between two snapshots: what to draw. `Room.interpolate`
 * brings it up to date; its entities are the same objects from frame to frame.
 */
export class View {
    /** @param {Caller} [call] calls a page's functions */
    constructor(call?: Caller | undefined);
    /** The moment shown, in ticks. */
    tick: number;
    /**
     * The entities of a table at this moment.
     * @template {Entity} [T=Entity]
     * @param {string} name
     * @returns {ViewTable<T>}
     */
    table<T extends Entity = Entity>(name: string): ViewTable<T>;
    /** Forgets everything: another room follows. */
    clear(): void;
    /** Notes the world as it stands after a snapshot. @param {Replica} replica */
    record(replica: Replica): void;
    /** Shows the moment `tick`, and tells of what has come and gone. @param {Replica} replica @param {number} tick */
    render(replica: Replica, tick: number): void;
    #private;
}
/**
 * EntityMap is a table's entities by id.
 * @template {Entity} [T=Entity]
 */
export class EntityMap<T extends Entity = Entity> {
    /** @param {string} name @param {Map<number, any>} entities @param {(id: number) => boolean} mine */
    constructor(name: string, entities: Map<number, any>, mine: (id: number) => boolean);
    name: string;
    get size(): number;
    /** @param {number} id @returns {T | undefined} */
    get(id: number): T | undefined;
    /** @param {number} id */
    has(id: number): boolean;
    /** @returns {IterableIterator<T>} */
    values(): IterableIterator<T>;
    /** The entity that has been there longest, such as the only one of a table that holds the score. @returns {T | undefined} */
    first(): T | undefined;
    /** Whether the entity is this player's own. @param {number} id */
    mine(id: number): boolean;
    /** This player's own entities. @returns {IterableIterator<T>} */
    own(): IterableIterator<T>;
    [Symbol.iterator](): IterableIterator<T>;
    #private;
}
/** @typedef {"enter" | "leave"} ViewEvent */
/**
 * ViewTable is a table as a View shows it.
 * @template {Entity} [T=Entity]
 * @extends {EntityMap<T>}
 */
export class ViewTable<T extends Entity = Entity> extends EntityMap<T> {
    /**
     * @param {string} name @param {Map<number, any>} entities @param {(id: number) => boolean} mine
     * @param {Listeners<ViewEvent>} listeners @param {Caller} call
     */
    constructor(name: string, entities: Map<number, any>, mine: (id: number) => boolean, listeners: Listeners<ViewEvent>, call: Caller);
    /**
     * Calls fn when an entity appears in the view or vanishes from it: within Room.interpolate, once the view is
     * up to date. "enter" is also called at once for those that are there already. What comes and goes
     * between two frames is not told.
     *
     * @param {ViewEvent} type
     * @param {(entity: T) => void} fn
     * @returns {() => void} ends the calls
     */
    on(type: ViewEvent, fn: (entity: T) => void): () => void;
    #private;
}
/** @typedef {"enter" | "change" | "leave"} TableEvent */
/**
 * Mirror is a table as the page knows it. It outlives the Store that it shows, which goes with its room.
 * @typedef {object} Mirror
 * @property {Table<any>} table
 * @property {Map<number, Entity>} entities
 * @property {Store | null} store
 * @property {Listeners<TableEvent>} listeners
 * @property {Caller} call
 */
/**
 * Table is a table of the room's newest snapshot.
 * @template {Entity} [T=Entity]
 * @extends {EntityMap<T>}
 */
export class Table<T extends Entity = Entity> extends EntityMap<T> {
    /** @param {string} name @param {Mirror} mirror */
    constructor(name: string, mirror: Mirror);
    /**
     * Calls fn when an entity enters, has changed or has left. "enter" is also called at once for those
     * that are there already.
     *
     * @param {TableEvent} type
     * @param {(entity: T) => void} fn
     * @returns {() => void} ends the calls
     */
    on(type: TableEvent, fn: (entity: T) => void): () => void;
    #private;
}
/**
 * Room is a seat in a room, or a spectator's place: a copy of its world, a way to talk to it, and the
 * connection beneath, which mends itself. `connect` makes one.
 */
export class Room {
    /** @param {ConnectOptions} options */
    constructor(options: ConnectOptions);
    /** The room's id. */
    id: string;
    kind: string;
    /** Number of the player's seat in the room, 0 for a spectator. */
    player: number;
    /** Whether there is no seat: a spectator sees everything, sends no inputs, and is refused every call. */
    spectator: boolean;
    /** The player's team, from 1, if the queue made teams; else 0. */
    team: number;
    /** The player's user id. */
    user: string;
    /** Ticks per second. */
    rate: number;
    /** Whether the room ticks only when something has arrived. */
    onDemand: boolean;
    /** Seconds for which the seat of a lost connection is kept; 0 for a spectator's. */
    grace: number;
    /** The fields of an input, in order: their names, and types such as "int8". @type {{name: string, type: string}[]} */
    inputs: {
        name: string;
        type: string;
    }[];
    /** @type {RoomState} */
    state: RoomState;
    /** Counts since connect; rtt in milliseconds is that of the newest answer, slack the newest one told. */
    stats: {
        rtt: number;
        slack: number;
        bytesIn: number;
        bytesOut: number;
        snapshots: number;
        skipped: number;
        hashes: number;
        hashMismatches: number;
        faults: number;
        reconnects: number;
        inputs: number;
        inputsSkipped: number;
        dropped: number;
    };
    /** Tick of the newest snapshot. */
    get tick(): number;
    /** The room's time at this moment, in ticks, as far as it is known. */
    get time(): number;
    /**
     * For how many milliseconds the server has been silent where it should have spoken; 0 while nothing is missing. A page that
     * tells the player calls it some times a second. A room that ticks by itself is quiet for up to a second when nothing
     * happens in it: this then asks for a sign, so that silence shows within half a second. In one on demand nothing is due for
     * long, and silence shows within three seconds. While reconnecting it counts from the last message.
     */
    silence(): number;
    /**
     * A table of the newest snapshot. The object stays the same through reconnects and other rooms.
     *
     * @template {Entity} [T=Entity]
     * @param {string} name
     * @returns {Table<T>}
     */
    table<T extends Entity = Entity>(name: string): Table<T>;
    /**
     * Calls fn whenever something happens to the room; see RoomEvents.
     *
     * @template {keyof RoomEvents} K
     * @param {K} type
     * @param {(detail: RoomEvents[K]) => void} fn
     * @returns {() => void} ends the calls
     */
    on<K extends keyof RoomEvents>(type: K, fn: (detail: RoomEvents[K]) => void): () => void;
    /**
     * Calls fn with the body of each event of the game that has this name.
     *
     * @template [T=any] what the game's author knows the body to be
     * @param {string} name
     * @param {(body: T, tick: number) => void} fn
     * @returns {() => void} ends the calls
     */
    onEvent<T = any>(name: string, fn: (body: T, tick: number) => void): () => void;
    /**
     * Sends a message and resolves with the body of its reply. Rejects with the error that the game
     * answered; with "lost" if the seat was lost meanwhile; with "timeout" after 30 s.
     *
     * @template [T=any] what the game's author knows the reply to be
     * @param {string} name
     * @param {unknown} [body]
     * @returns {Promise<T>}
     */
    call<T = any>(name: string, body?: unknown): Promise<T>;
    /**
     * Sends a message that wants no answer. While reconnecting it waits, if not too many do. Throws a
     * TickhallError if it can't be sent.
     *
     * @param {string} name
     * @param {unknown} [body]
     */
    send(name: string, body?: unknown): void;
    /**
     * Sets the input that is sent once per tick from now on, until another is set; null stops. What the
     * room's inputs name and `input` leaves out is zero. A boolean that is true for less than a tick is
     * still sent once. A spectator's go nowhere, so that a page need not ask.
     *
     * @param {Record<string, any> | null} input
     */
    input(input: Record<string, any> | null): void;
    /**
     * Brings the view of the world to this moment, about two ticks behind what has just arrived, and
     * returns it: what to draw. Call it once per animation frame. The view and its entities are the same
     * objects each time.
     */
    interpolate(): View;
    /** Gives the seat up, or the place in the queue. Resolves when the room is closed. @returns {Promise<void>} */
    leave(): Promise<void>;
    #private;
}
/**
 * An entity as a page sees it: a plain object with its fields by name. Floats are in the game's units,
 * angles in radians from 0 to 2 pi. Pages read it and don't write to it.
 */
export type Entity = {
    readonly id: number;
} & Record<string, any>;
/**
 * What a table tells its listeners with.
 */
export type Listeners<K extends string> = Record<K, Set<(entity: any) => void>>;
/**
 * Calls a page's function.
 */
export type Caller = (fn: (entity: any) => void, entity: Entity) => void;
export type ListOptions = {
    /**
     * the server, such as location.origin
     */
    url: string | URL;
    /**
     * only rooms of this kind
     */
    kind?: string | undefined;
    /**
     * only rooms whose listing data has these properties
     */
    filter?: Record<string, string | number | boolean> | undefined;
    /**
     * rooms at most in one answer
     */
    limit?: number | undefined;
    /**
     * `next` of the answer before
     */
    after?: string | undefined;
    token?: ConnectOptions["token"];
    signal?: AbortSignal | undefined;
    fetch?: ConnectOptions["fetch"];
    setTimeout?: ConnectOptions["setTimeout"];
    clearTimeout?: ConnectOptions["clearTimeout"];
};
/**
 * One listed room.
 */
export type RoomInfo = {
    id: string;
    kind: string;
    /**
     * seats taken or held
     */
    players: number;
    maxPlayers: number;
    spectators: number;
    /**
     * nobody may join at present
     */
    locked: boolean;
    /**
     * needed to join
     */
    password: boolean;
    /**
     * what the game says about the room, or null
     */
    data: any;
};
/**
 * What a WebSocket message has brought.
 */
export type Incoming = {
    /**
     * what to tell the page once the world is up to date, in order
     */
    later: (() => void)[];
    /**
     * of the last snapshot in it, 0 for none
     */
    tick: number;
    /**
     * what to acknowledge of it, 0 for nothing
     */
    taken: number;
    span: number;
    bye: TickhallError | null;
    mismatch: TickhallError | null;
};
export type Advice = "resume" | "match" | "stop";
export type Field = {
    name: string;
    /**
     * position in the table's field list, and in a row's values
     */
    index: number;
    type: number;
    num: number;
    den: number;
    /**
     * index of the field that is this one's rate, or -1
     */
    rate: number;
    owner: boolean;
    /**
     * another field's rate
     */
    isRate: boolean;
    /**
     * index of its Move in the table, or -1
     */
    move: number;
};
/**
 * A Move predicts the field x from its rate v: x + floor(((v0 + v1) * k * a + b) / (2 * b)).
 */
export type Move = {
    x: Field;
    v: Field;
    a: number;
    b: number;
};
/**
 * Track is what interpolation keeps of an entity: its last values, and what the page is shown.
 */
export type Track = {
    row: Row;
    /**
     * HISTORY times the row's numbers
     */
    n: Float64Array;
    /**
     * likewise its strings
     */
    s: string[] | null;
    /**
     * serial of the snapshot in which it entered
     */
    born: number;
    /**
     * serial of the snapshot in which it left, Infinity before
     */
    died: number;
    entity: Entity;
};
/**
 * Shown is a table of a View.
 */
export type Shown = {
    entities: Map<number, Entity>;
    /**
     * the tracks whose entities those are
     */
    shown: Map<number, Track>;
    listeners: Listeners<ViewEvent>;
    table: ViewTable<any>;
    /**
     * oldest first
     */
    tracks: Track[];
};
export type ViewEvent = "enter" | "leave";
export type TableEvent = "enter" | "change" | "leave";
/**
 * Mirror is a table as the page knows it. It outlives the Store that it shows, which goes with its room.
 */
export type Mirror = {
    table: Table<any>;
    entities: Map<number, Entity>;
    store: Store | null;
    listeners: Listeners<TableEvent>;
    call: Caller;
};
export type RoomState = "joined" | "reconnecting" | "closed";
export type ConnectOptions = {
    /**
     * the server, such as location.origin
     */
    url: string | URL;
    /**
     * the game, such as "arena"; only a join can do without
     */
    kind?: string | undefined;
    /**
     * how to get in: the fullest open room that fits, or a new one
     * ("quick", if left out); a room of one's own; the room named by `room`; or with others of the same skill
     */
    mode?: "join" | "quick" | "create" | "queue" | undefined;
    /**
     * display name, 1 to 32 characters
     */
    name?: string | undefined;
    /**
     * join: the room's id, which is also its code; case and dashes don't count
     */
    room?: string | undefined;
    /**
     * create: sets it; join: must be it
     */
    password?: string | undefined;
    /**
     * create: the room is not listed, and quick does not find it
     */
    private?: boolean | undefined;
    /**
     * create, quick: for the game that is made, if one is
     */
    options?: Record<string, any> | undefined;
    /**
     * quick: only rooms whose listing data has these properties
     */
    filter?: Record<string, any> | undefined;
    /**
     * quick, join: watch without a seat
     */
    spectate?: boolean | undefined;
    /**
     * queue: the player's rating, where the kind lets clients say it
     */
    skill?: number | undefined;
    /**
     * queue: must be equal within a match, such as region
     */
    properties?: Record<string, string> | undefined;
    /**
     * queue: a code that friends share, to be matched together
     */
    party?: string | undefined;
    /**
     * queue: how many friends share it, oneself included
     */
    partySize?: number | undefined;
    /**
     * queue: hears how it stands, whenever there is news
     */
    onQueue?: ((progress: QueueProgress) => void) | undefined;
    /**
     * gives up, and leaves the queue, while connect has not resolved; then see Room.leave
     */
    signal?: AbortSignal | undefined;
    /**
     * who the player is, where the server asks for it (a JWT);
     * a function is called for each request, so that it can renew the token
     */
    token?: string | (() => string | Promise<string>) | undefined;
    /**
     * keeps a
     * guest the same guest, under "tickhall.guest"; localStorage if left out and there is one, null for none
     */
    storage?: {
        getItem(key: string): string | null;
        setItem(key: string, value: string): void;
    } | null | undefined;
    /**
     * keeps the token of the seat, so that a page that is loaded again takes the seat back: sessionStorage, which is a
     * tab's own. It stands under "tickhall.seat." and the kind; after "join" and "create" the room's id, for a page that then
     * joins by id. For spectators nothing is kept. A page that keeps its seat does not leave the room when it goes
     */
    keep?: {
        getItem(key: string): string | null;
        setItem(key: string, value: string): void;
        removeItem(key: string): void;
    } | null | undefined;
    WebSocket?: {
        new (url: string | URL, protocols?: string | string[]): WebSocket;
        prototype: WebSocket;
        readonly CONNECTING: 0;
        readonly OPEN: 1;
        readonly CLOSING: 2;
        readonly CLOSED: 3;
    } | undefined;
    fetch?: ((url: string, init?: any) => Promise<any>) | undefined;
    /**
     * milliseconds that never run backwards; performance.now if left out
     */
    now?: (() => number) | undefined;
    setTimeout?: ((fn: () => void, ms: number) => any) | undefined;
    clearTimeout?: ((id: any) => void) | undefined;
    /**
     * from 0 to 1
     */
    random?: (() => number) | undefined;
    /**
     * where "online", "pagehide" and "pageshow" are heard, and document.visibilitychange; globalThis if left out
     */
    window?: any;
};
/**
 * How it stands in the queue.
 */
export type QueueProgress = {
    /**
     * seconds so far
     */
    waited: number;
    /**
     * players in this queue
     */
    waiting: number;
    /**
     * the largest difference in skill that is accepted by now
     */
    window: number;
    /**
     * friends of the party who have not come yet
     */
    missing: number;
};
/**
 * What Room.on can listen to, and what it gives.
 */
export type RoomEvents = {
    /**
     * a snapshot was applied; span is 0 for a whole world
     */
    snapshot: {
        tick: number;
        span: number;
    };
    state: RoomState;
    /**
     * any event of the game; see also onEvent
     */
    event: {
        name: string;
        body: any;
        tick: number;
    };
    /**
     * so many events were lost at this place: more waited for this client than the server keeps
     */
    dropped: {
        tick: number;
        count: number;
    };
    /**
     * a notice from the server, such as "rate_limited", or what a callback threw
     */
    error: TickhallError;
    /**
     * the copy of the world can't be trusted and is fetched again
     */
    desync: TickhallError;
    /**
     * the next try is in delay ms
     */
    reconnecting: {
        attempt: number;
        delay: number;
        error: TickhallError;
    };
    /**
     * after a reconnect: to the seat that was held, or to another room
     */
    joined: {
        resumed: boolean;
    };
    /**
     * for good
     */
    close: {
        code: number;
        reason: string;
        result: any;
        error: TickhallError;
    };
};
export type Call = {
    resolve: (body: any) => void;
    reject: (err: TickhallError) => void;
    timer: any;
};
/** Store is one table of a Replica: its layout and its rows. */
declare class Store {
    /** @param {number} index @param {string} name @param {Field[]} fields @param {number} rate ticks per second */
    constructor(index: number, name: string, fields: Field[], rate: number);
    index: number;
    name: string;
    fields: Field[];
    shared: Field[];
    owner: Field[];
    strings: boolean;
    /** @type {Map<number, Row>} */
    rows: Map<number, Row>;
    /** Rows that entered or changed since the page was last told. @type {Row[]} */
    dirty: Row[];
    /** Rows that left since the page was last told. @type {Row[]} */
    left: Row[];
    /** Ids that are another entity's in the KEY that is coming. @type {Set<number>} */
    renewed: Set<number>;
    /** @type {Move[]} */
    moves: Move[];
    stamp: number;
    rates: Float64Array;
    residuals: Float64Array;
    /** @param {Row} row */
    mark(row: Row): void;
    /** @param {Row} row */
    remove(row: Row): void;
    /** Reads an absolute value of f into row. @param {Reader} r @param {Row} row @param {Field} f */
    read(r: Reader, row: Row, f: Field): void;
    /** @param {Reader} r @param {Row} row @param {Field} f @param {number} v */
    set(r: Reader, row: Row, f: Field, v: number): void;
    /**
     * Reads records as they stand in a KEY, or in the enters of a DELTA. A KEY may have several parts.
     * @param {Reader} r @param {boolean} key @param {boolean} [first] @param {boolean} [last]
     */
    enter(r: Reader, key: boolean, first?: boolean | undefined, last?: boolean | undefined): void;
    /** Reads this table's part of a DELTA over k ticks. @param {Reader} r @param {number} k */
    delta(r: Reader, k: number): void;
    /**
     * Lets every row without the stamp follow its prediction.
     * @param {number} k @param {number} [stamp]
     */
    follow(k: number, stamp?: number | undefined): void;
    /** The sum of this table's checksums, modulo 2^32. */
    checksum(): number;
    #private;
}
/**
 * @typedef {object} Field
 * @property {string} name
 * @property {number} index position in the table's field list, and in a row's values
 * @property {number} type
 * @property {number} num
 * @property {number} den
 * @property {number} rate index of the field that is this one's rate, or -1
 * @property {boolean} owner
 * @property {boolean} isRate another field's rate
 * @property {number} move index of its Move in the table, or -1
 */
/**
 * A Move predicts the field x from its rate v: x + floor(((v0 + v1) * k * a + b) / (2 * b)).
 * @typedef {{x: Field, v: Field, a: number, b: number}} Move
 */
/** One entity as it stands on the wire: a number for each field, a string for each string field. */
declare class Row {
    /** @param {number} id @param {number} fields @param {boolean} strings */
    constructor(id: number, fields: number, strings: boolean);
    id: number;
    n: Float64Array;
    /** @type {string[] | null} */
    s: string[] | null;
    mine: boolean;
    gone: boolean;
    dirty: boolean;
    stamp: number;
    /** @type {Entity | null} what the page sees of it */
    entity: Entity | null;
    /** @type {Track | null} what interpolation keeps of it */
    track: Track | null;
}
export {};
