"""The decisions of one call between its caller and its model, without I/O. Start at ``bridge``; one file a rule.

The way of a fact:

    bridge          facts and the time in, commands out
    states          what may be so, and everything that moves it: one table
    context         what the parts share; watcher: who is told of changes

The caller:

    caller_turn     their turn, from its first sound to its end; open_turn: one whose end nobody tells
    interruptions   barge-in, as it is done; floor: whether a sound takes the floor; echo: the
                    agent's own words
    digits          keys that they press
    media_gap       a caller who is muted, or a stream that is dead
    silence         silence that is theirs, and dead_air: silence that is ours, and the fillers in it

The model:

    replies         begun, heard and done
    tool_calls      which tools run, and who waits for them; tool_results: what the model is told
    failover        another session that takes over; losses: legs that are closed, stalled, or full of garbage

What is said:

    opening         the greeting, or what stands in its place
    speaking        the agent's voice, whoever makes it
    playout         speech on its way to Twilio; speech_queue: one reply after the other; playback, marks: how much
                    of it was heard
    operator        what the operator has the agent say

The end:

    ending          from inside: a goodbye, a transfer, no model left; goodbye: when it was heard
    voicemail       the message that a machine is left
    deadlines       limits and longest waits

What is kept: transcript (the words, as they were heard), latency (pauses before answers).
"""
