"""Which kinds of files an input may be: those that hold all they are made of.

A playlist (HLS, DASH, concat, IMF), a session description, a numbered series of pictures or an index of subtitles makes
ffmpeg open other files and addresses. Whoever sends a film must not choose what is read here: so ffmpeg is given the
demuxers that read nothing but their own file, by name. That this list is complete can be seen: `ffmpeg -demuxers`.
"""

from __future__ import annotations

ALLOWED = (
    "3dostr,3g2,3gp,4xm,aa,aac,aax,ac3,ac4,ace,acm,act,adf,adp,ads,adx,aea,afc,aiff,aix,alaw,"
    "alias_pix,alp,amr,amrnb,amrwb,anm,apac,apc,ape,apm,apng,aptx,aptx_hd,apv,aqtitle,argo_asf,"
    "argo_brp,argo_cvg,asf,asf_o,ass,ast,au,av1,avi,avr,avs,avs2,avs3,bethsoftvid,bfi,bfstm,bin,"
    "bink,binka,bit,bitpacked,bmp_pipe,bmv,boa,bonk,brender_pix,brstm,c93,caf,cavsvideo,cdg,cdxl,"
    "cine,codec2,codec2raw,cri_pipe,data,daud,dcstr,dds_pipe,derf,dfa,dfpwm,dhav,dirac,dnxhd,"
    "dpx_pipe,dsf,dsicin,dss,dts,dtshd,dv,dvbsub,dvbtxt,dxa,ea,ea_cdata,eac3,epaf,evc,exr_pipe,"
    "f32be,f32le,f64be,f64le,ffmetadata,film_cpk,filmstrip,fits,flac,flic,flv,frm,fsb,fwse,g722,"
    "g723_1,g726,g726le,g728,g729,gdv,gem_pipe,genh,gif,gif_pipe,gsm,gxf,h261,h263,h264,hca,hcom,"
    "hdr_pipe,hevc,hnm,hxvs,iamf,ico,idcin,idf,iff,ifv,ilbc,image2pipe,ingenient,ipmovie,ipu,"
    "ircam,iss,iv8,ivf,ivr,j2k_pipe,jacosub,jpeg_pipe,jpegls_pipe,jpegxl_anim,jpegxl_pipe,jpegxs_pipe,"
    "jv,kux,kvag,laf,lc3,libgme,libopenmpt,live_flv,lmlm4,loas,lrc,luodat,lvf,lxf,m4a,m4v,"
    "matroska,mca,mcc,mgsts,microdvd,mj2,mjpeg,mjpeg_2000,mlp,mlv,mm,mmf,mods,moflex,mov,mp3,mp4,"
    "mpc,mpc8,mpeg,mpegts,mpegtsraw,mpegvideo,mpjpeg,mpl2,mpsub,msf,msnwctcp,msp,mtaf,mtv,mulaw,"
    "musx,mv,mvi,mxf,mxg,nc,nistsphere,nsp,nsv,nut,nuv,obu,ogg,oma,osq,paf,pam_pipe,pbm_pipe,"
    "pcx_pipe,pdv,pfm_pipe,pgm_pipe,pgmyuv_pipe,pgx_pipe,phm_pipe,photocd_pipe,pictor_pipe,pjs,pmp,"
    "png_pipe,pp_bnk,ppm_pipe,psd_pipe,psxstr,pva,pvf,qcp,qdraw_pipe,qoa,qoi_pipe,r3d,rawvideo,rcwt,"
    "realtext,redspark,rka,rl2,rm,roq,rpl,rsd,rso,s16be,s16le,s24be,s24le,s32be,s32le,s337m,s8,"
    "sami,sbc,sbg,scc,scd,sdns,sdr2,sds,sdx,ser,sga,sgi_pipe,shn,siff,simbiosis_imx,sln,smjpeg,"
    "smk,smush,sol,sox,spdif,srt,stl,subviewer,subviewer1,sunrast_pipe,sup,svag,svg_pipe,svs,swf,"
    "tak,tedcaptions,thp,tiertexseq,tiff_pipe,tmv,truehd,tta,tty,txd,ty,u16be,u16le,u24be,u24le,"
    "u32be,u32le,u8,usm,v210,v210x,vag,vbn_pipe,vc1,vc1test,vidc,vividas,vivo,vmd,voc,vpk,"
    "vplayer,vqf,vvc,w64,wady,wav,wavarc,wc3movie,webm,webp_anim,webp_pipe,webvtt,wsaud,wsd,wsvqa,"
    "wtv,wv,wve,xa,xbin,xbm_pipe,xmd,xmv,xpm_pipe,xvag,xwd_pipe,xwma,yop,yuv4mpegpipe"
)
"""Demuxers of ffmpeg 5.1 to 9.0 (and those of some that are built with more) that open nothing but their input."""

NOT_ALLOWED = "not on whitelist"
"""What ffmpeg says of an input that needs another."""

PROTOCOLS = "file,pipe"
"""Protocols that an input may open."""

GUARD = {"protocol_whitelist": PROTOCOLS, "format_whitelist": ALLOWED}
"""Options of every input that comes from outside."""

GUARD_OPTIONS = tuple(word for name, value in GUARD.items() for word in (f"-{name}", value))
"""The same, for a command line."""


def guarded(container: str) -> dict[str, str]:
    """Return the options of an input whose container is known, by ffmpeg's name of it.

    A WAV is read as one by name: ffmpeg lets formats that may be inside one go before it, and from version 9 on takes
    some samples for MPEG-TS.
    """
    return {**GUARD, "f": "wav"} if container == "wav" else dict(GUARD)
