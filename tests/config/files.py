"""Text of a configuration that is right, and the environment that it needs."""

GOOD = """
[server]
bind = "127.0.0.1:0"
public_url = "https://voice.example.com"
[twilio]
account_sid = "AC1"
[limits]
time_limit_seconds = 60
[models.aai]
kind = "assemblyai-agent"
[personas.receptionist]
model = "aai"
voice = "alba"
tools = []
turn_detection = { vad_threshold = 0.5 }
[numbers]
default = "receptionist"
"+15551234567" = "receptionist"
[prices]
as_of = 2026-11-20
[prices.twilio]
inbound_minute = 0.0085
[prices.aai]
minute = 0.075
[prices.assemblyai-agent]
unacknowledged_seconds = 30
"""
ENVIRONMENT = {"TWILIO_AUTH_TOKEN": "t0ken", "ASSEMBLYAI_API_KEY": "k3y"}
