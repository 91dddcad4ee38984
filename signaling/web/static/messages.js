// Types of the public WebSocket protocol, as signaling/messages.py states it. No code.

/** @typedef {'microphone' | 'camera' | 'screen'} TrackSource */
/** @typedef {'council' | 'kep'} RoomClass */
/** Whether media are encrypted end to end in a room. @typedef {'off' | 'required' | 'optional'} EncryptionPolicy */
/** @typedef {'chair' | 'secretary' | 'coordinator' | 'member' | 'guest' | 'citizen' | 'employee' | 'interpreter'} Role */

/**
 * @typedef {object} Grants
 * @property {boolean} microphone
 * @property {boolean} camera
 * @property {boolean} screen
 * @property {boolean} chat
 * @property {boolean} hand
 * @property {boolean} moderate
 * @property {boolean} close_room
 */

/**
 * @typedef {object} TrackInfo
 * @property {TrackSource} source
 * @property {boolean} is_muted  The participant muted it.
 * @property {boolean} is_blocked  The grant is missing: the server drops its packets.
 */

/**
 * @typedef {object} ParticipantInfo
 * @property {string} participant
 * @property {string} display_name
 * @property {Role} role
 * @property {TrackInfo[]} tracks
 * @property {number | null} hand_raised_order  1 raised first; null is not raised.
 * @property {boolean} is_connected  False while the socket is lost and may still resume.
 * @property {'on' | 'off'} encryption  Whether its browser encrypts end to end, as it said.
 * @property {Grants} grants
 */

/**
 * @typedef {object} VideoWish
 * @property {string} mid
 * @property {string | null} participant
 * @property {TrackSource} source
 * @property {boolean} speaker  Follow the active speaker instead of a named participant.
 * @property {number} max_height  Pixels; 0 pauses.
 */

/**
 * @typedef {object} StreamSource
 * @property {string} mid
 * @property {'audio' | 'video'} kind
 * @property {string | null} participant
 * @property {TrackSource | null} source
 */

/**
 * @typedef {object} ConnectionQuality
 * @property {string} participant
 * @property {number} score  5 excellent … 1 bad, 0 lost.
 * @property {number | null} round_trip_ms
 * @property {number} loss_in_percent
 * @property {number} loss_out_percent
 */

/**
 * Somebody who waits at the door, as moderators see them.
 * @typedef {object} KnockInfo
 * @property {string} knock
 * @property {string} display_name
 * @property {Role} role
 * @property {boolean} is_known  Invited and signed in; false: the name is only what was typed.
 * @property {boolean} is_connected
 * @property {boolean} is_early  Cannot be admitted yet.
 * @property {boolean} is_expected  Admitted while the socket was lost: enters on return.
 * @property {string} knocked_at
 */

/** @typedef {'early' | 'unattended' | 'waiting'} WaitingState */

/**
 * How the call of an appointment stands.
 * @typedef {object} CallView
 * @property {string} phase  State of the appointment.
 * @property {boolean} is_identified
 * @property {'citizen' | 'employee' | 'weak_network' | 'unknown' | null} sound_only  Why there is sound only.
 * @property {boolean} wants_sharp_picture
 * @property {boolean} citizen_camera  The citizen's picture reaches the server.
 */

/**
 * What the door says.
 * @typedef {{ type: 'knocked', id: number, ticket: string, ping_interval_s: number }
 *   | { type: 'waiting', state: WaitingState, position: number, opens_at: string }
 *   | { type: 'admitted', room: string, token: string }
 *   | { type: 'dismissed', outcome: string, reason: string, retry_after_s: number | null }
 *   | { type: 'done', id: number }
 *   | { type: 'going_away', retry_after_ms: number }
 *   | ErrorMessage} DoorMessage
 */

/**
 * @typedef {{ type: 'join', token: string, protocol: number, encryption: 'on' | 'off' }
 *   | { type: 'resume', room: string, participant: string, secret: string, protocol: number }
 *   | { type: 'offer', sdp: string, tracks: Record<string, TrackSource> }
 *   | { type: 'layout', video: VideoWish[] }
 *   | { type: 'mute', source: TrackSource, muted: boolean }
 *   | { type: 'hand', raised: boolean, participant?: string }
 *   | { type: 'chat', text: string }
 *   | { type: 'keys', participant: string, payload: string }
 *   | { type: 'allow', participant: string, source: TrackSource, allowed: boolean }
 *   | { type: 'kick', participant: string, reason: string }
 *   | { type: 'close_room', reason: string }
 *   | { type: 'admit', knock?: string }
 *   | { type: 'refuse', knock: string, reason: string }
 *   | { type: 'move_back', participant: string, reason: string }
 *   | { type: 'leave' }
 *   | { type: 'ping' }} ClientMessage
 */

/**
 * @typedef {object} Joined
 * @property {'joined'} type
 * @property {number} id
 * @property {string} room
 * @property {RoomClass} room_class
 * @property {string} title
 * @property {string} participant
 * @property {Role} role
 * @property {Grants} grants
 * @property {string} secret
 * @property {boolean} resumed
 * @property {ParticipantInfo[]} participants
 * @property {StreamSource[]} sources
 * @property {number} audio_streams
 * @property {number} max_video_streams
 * @property {EncryptionPolicy} encryption
 * @property {number} ping_interval_s
 */

/** @typedef {{ type: 'answer', id: number, sdp: string }} Answer */
/** @typedef {{ type: 'done', id: number }} Done */
/**
 * @typedef {object} ErrorMessage
 * @property {'error'} type
 * @property {number | null} id
 * @property {string} code
 * @property {string} message
 * @property {number | null} [retry_after_s]
 */
/** @typedef {Joined | Answer | Done} Reply */

/**
 * @typedef {{ type: 'participant_joined', participant: ParticipantInfo }
 *   | { type: 'participant_updated', participant: ParticipantInfo }
 *   | { type: 'participant_left', participant: string, reason: string }
 *   | { type: 'speakers', participants: string[] }
 *   | { type: 'sources', sources: StreamSource[] }
 *   | { type: 'chat_message', participant: string, text: string, sent_at: string }
 *   | { type: 'peer_keys', participant: string, payload: string }
 *   | { type: 'grants_changed', grants: Grants }
 *   | { type: 'quality', participants: ConnectionQuality[] }
 *   | { type: 'media_state', state: string }
 *   | { type: 'media_lost' }
 *   | { type: 'receipt', secret: string }
 *   | { type: 'kicked', reason: string }
 *   | { type: 'room_closed', reason: string }
 *   | { type: 'waiting_room', knocks: KnockInfo[] }
 *   | { type: 'moved_back', reason: string }
 *   | { type: 'call_state', call: CallView }
 *   | { type: 'closing_soon', minutes: number, closes_at: string }
 *   | { type: 'going_away', retry_after_ms: number }} Notification
 */

export {};
